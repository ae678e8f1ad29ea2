"""What people do to a server by hand, and how somebody without our code would see whether a control holds. Data alone.

A drift is a shell script that root runs on the host; a look is one that ends well where the control holds.
"""

from __future__ import annotations

from collections.abc import Mapping

MADE = """
mkdir -p /tmp/{0}/DEBIAN
printf 'Package: {0}\\nVersion: 1\\nArchitecture: all\\nMaintainer: Lab <lab@example.com>\\nDescription: made\\n' \
  >/tmp/{0}/DEBIAN/control
dpkg-deb --build /tmp/{0} /tmp/{0}.deb >/dev/null
dpkg --install /tmp/{0}.deb >/dev/null
"""
UNIT = "printf '[{2}]\\n{1}\\n[Install]\\nWantedBy=multi-user.target\\n' >/lib/systemd/system/{0}\nsystemctl enable --now --quiet {0}\n"
SSHD = "echo '{0}' >>/etc/ssh/sshd_config.d/0-local.conf\n"

# On both hosts, but for what can't be on one host at a time.
DRIFTS: Mapping[str, str] = {
    "accounts-root": "useradd --non-unique --uid 0 --gid 0 --no-create-home toor",
    "accounts-empty-password": "useradd --create-home --shell /bin/bash guest; passwd --delete guest >/dev/null",
    "accounts-system-shell": "usermod --shell /bin/bash games",
    "accounts-password-hash": "sed -i 's/^ENCRYPT_METHOD.*/ENCRYPT_METHOD MD5/' /etc/login.defs",
    "accounts-homes": "useradd --create-home carla; chmod 0777 /home/carla",
    "accounts-password-weak": "useradd --create-home old; echo 'old:$1$salt$UsdFqFVB.FsuinRDK5eE..' | chpasswd --encrypted",
    # Debian 13 has pam_umask in its sessions by itself.
    "accounts-umask": "sed -i 's/^UMASK.*/UMASK 000/' /etc/login.defs;"
    " ! test -e /usr/share/pam-configs/msp-umask || pam-auth-update --remove msp-umask",
    "banner-login": "echo 'Debian \\n on \\l' >/etc/issue",
    "cron-rights": "echo '# by hand' >/etc/crontab; chmod 0666 /etc/crontab",
    "firewall-active": "systemctl disable --quiet --now msp-firewall.service; nft flush ruleset",
    "firewall-open": "nft add rule inet msp input tcp dport 8080 accept",
    "logging-persistent": "printf '[Journal]\\nStorage=volatile\\n' >/etc/systemd/journald.conf.d/zzz-local.conf",
    "logging-size": "printf '[Journal]\\nSystemMaxUse=16M\\n' >/etc/systemd/journald.conf.d/zzz-size.conf",
    "logging-retention": "printf '[Journal]\\nMaxRetentionSec=1day\\n' >/etc/systemd/journald.conf.d/zzz-retention.conf",
    "logging-rights": "echo x >/var/log/auth.log; chmod 0666 /var/log/auth.log",
    "repositories-allowed": "echo 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    " http://127.0.0.1:9/debian stable main' >/etc/apt/sources.list.d/vendor.list",
    "repositories-signed": "echo 'deb [trusted=yes] http://127.0.0.1:9/tools ./' >/etc/apt/sources.list.d/tools.list",
    "repositories-rights": "chmod 0666 /etc/apt/sources.list",
    "services-legacy": UNIT.format("telnet.socket", "ListenStream=127.0.0.1:23\\nAccept=yes", "Socket").replace(
        "systemctl enable",
        "printf '[Service]\\nExecStart=/bin/cat\\n' >/lib/systemd/system/telnet@.service\nsystemctl enable",
    ),
    "services-discovery": UNIT.format("avahi-daemon.service", "ExecStart=/bin/sleep infinity", "Service"),
    "services-rpc": UNIT.format("rpcbind.service", "ExecStart=/bin/sleep infinity", "Service"),
    "software-required": "apt-get -qq -y remove less >/dev/null 2>&1",
    "software-forbidden": MADE.format("lab-game"),
    "software-allowed": MADE.format("lab-mine"),
    "ssh-root-login": SSHD.format("PermitRootLogin yes"),
    "ssh-passwords": SSHD.format("PasswordAuthentication yes"),
    "ssh-trust": SSHD.format("PermitEmptyPasswords yes"),
    "ssh-forwarding": SSHD.format("X11Forwarding yes"),
    "ssh-auth-tries": SSHD.format("MaxAuthTries 10"),
    "ssh-grace-time": SSHD.format("LoginGraceTime 300"),
    "ssh-idle": SSHD.format("ClientAliveInterval 0"),
    "ssh-ciphers": SSHD.format("Ciphers aes256-ctr,aes128-cbc"),
    "ssh-banner": SSHD.format("Banner none"),
    "ssh-rights": "chmod 0777 /etc/ssh/sshd_config.d",
    "sudo-who": "echo 'carla ALL=(ALL:ALL) ALL' >/etc/sudoers.d/carla; chmod 0440 /etc/sudoers.d/carla",
    "sudo-people": "useradd --create-home --groups sudo dora",
    "sudo-nopasswd": "echo 'guest ALL=(ALL) NOPASSWD: /usr/bin/apt' >/etc/sudoers.d/guest; chmod 0440 /etc/sudoers.d/guest",
    "sudo-terminal": "echo 'Defaults !use_pty' >/etc/sudoers.d/zzz-local; chmod 0440 /etc/sudoers.d/zzz-local",
    "sudo-log": "rm /etc/sudoers.d/zz-msp-log",
    "sudo-timeout": "echo 'Defaults timestamp_timeout=-1' >>/etc/sudoers.d/zzz-local",
    "sudo-rights": "chmod 0444 /etc/sudoers.d/carla",
    "updates-automatic": 'printf \'APT::Periodic::Update-Package-Lists "1";\\nAPT::Periodic::Unattended-Upgrade "1";\\n\''
    " >/etc/apt/apt.conf.d/zzz-local; apt-get -qq -y install unattended-upgrades >/dev/null 2>&1;"
    " systemctl unmask --quiet apt-daily.timer apt-daily-upgrade.timer;"
    " systemctl enable --quiet --now apt-daily.timer apt-daily-upgrade.timer",
    "updates-held": "apt-mark hold sudo >/dev/null",
}

_OFF = "! systemctl is-active --quiet {0} && ! systemctl is-enabled --quiet {0}"
_SSHD = "sshd -T | grep -qix '{0}'"
_JOURNAL = "test \"$(systemd-analyze cat-config systemd/journald.conf | grep '^{0}=' | tail -1)\" = '{0}={1}'"
_SUDO = "test \"$(sudo -l -U msp | sed '/may run/q' | tr ',' '\\n' | grep -oE '{0}' | tail -1)\" = '{1}'"

LOOKS: Mapping[str, str] = {
    "accounts-root": "test \"$(awk -F: '$3 == 0 { print $1 }' /etc/passwd)\" = root",
    "accounts-empty-password": "! awk -F: '$2 == \"\"' /etc/shadow | grep -q .",
    "accounts-system-shell": "! awk -F: '$3 > 0 && $3 < 1000 && $7 !~ /(nologin|false|sync)$/' /etc/passwd | grep -q .",
    # A password of an account goes by PAM, that of a group by login.defs.
    "accounts-password-hash": "useradd --no-create-home look && groupadd looks && echo look:A-new-0ne-4-you | chpasswd"
    " && echo looks:A-new-0ne-4-you | chgpasswd; found=$(grep -h '^looks*:' /etc/shadow /etc/gshadow | cut -d: -f2 | cut -c1-3);"
    ' userdel look; groupdel looks; test "$(echo "$found" | grep -cE \'^[$][y6][$]$\')" = 2',
    "accounts-password-weak": "! awk -F: '$2 ~ /^[$]1[$]/ && $3 != 0' /etc/shadow | grep -q .",
    "accounts-root-password": "! grep -q '^root::' /etc/shadow",
    "accounts-system-used": "! awk -F: '$3 > 0 && $3 < 1000 && $7 !~ /(nologin|false|sync)$/ {print $1, $6}' /etc/passwd"
    ' | while read -r who home; do find "$home/.ssh/authorized_keys" "/var/spool/cron/crontabs/$who" 2>/dev/null;'
    ' pgrep -u "$who" -x "(ba|da|)sh"; done | grep -q .',
    "accounts-homes-elsewhere": "! find /srv -mindepth 1 -maxdepth 1 -perm /0022 | grep -q .",
    "accounts-homes": "! find /home -mindepth 1 -maxdepth 1 -perm /0027 | grep -q .",
    # A session by PAM, of an account whose group is not its own.
    "accounts-umask": 'test "$(su - nobody -s /bin/sh -c umask 2>/dev/null)" = 0027',
    # A shell that PAM has no part in keeps what it was started with.
    "accounts-umask-elsewhere": 'umask 0077; test "$(bash -lc umask)" = 0077 && test "$(bash -ic umask 2>/dev/null)" = 0077'
    " && ! cut -d: -f5 /etc/passwd | grep -qi umask=",
    "banner-login": "cmp -s /etc/issue /etc/issue.net && ! grep -q '\\\\' /etc/issue && grep -q . /etc/issue",
    "cron-rights": "! find /etc/crontab /etc/cron.d /etc/cron.daily -maxdepth 0 -perm /0077 2>/dev/null | grep -q .",
    "firewall-active": "nft list chain inet msp input | grep -q 'policy drop'"
    " && nft list chain inet msp forward | grep -q 'policy drop'"
    " && systemctl is-active --quiet msp-firewall && systemctl is-enabled --quiet msp-firewall",
    "firewall-open": "test \"$(nft list chain inet msp input | grep -oE '(ip6? saddr [^ ]+ )?(tcp|udp) dport [0-9]+ accept'"
    " | sort | paste -sd,)\" = 'ip saddr 192.0.2.0/24 tcp dport 443 accept,ip6 saddr fe80::/10 udp dport 546 accept,"
    "tcp dport 22 accept'",
    "logging-persistent": f"{_JOURNAL.format('Storage', 'persistent')} && test -d /var/log/journal",
    "logging-size": _JOURNAL.format("SystemMaxUse", "1G"),
    "logging-retention": _JOURNAL.format("MaxRetentionSec", "3month"),
    "logging-rights": "! find /var/log -maxdepth 1 -name 'auth.log*' -perm /0137 | grep -q .",
    "repositories-allowed": "! grep -rhs '^deb' /etc/apt/sources.list /etc/apt/sources.list.d/*.list | grep -q 127.0.0.1:9",
    "repositories-signed": "! grep -rhs '^deb' /etc/apt/sources.list /etc/apt/sources.list.d | grep -q 'trusted=yes'",
    "repositories-configured": "apt-get indextargets --format '$(SITE)' | grep -q .",
    "repositories-rights": "! find /etc/apt/sources.list /etc/apt/sources.list.d -perm /0022 | grep -q .",
    "services-legacy": _OFF.format("telnet.socket"),
    "services-discovery": _OFF.format("avahi-daemon.service"),
    "services-rpc": _OFF.format("rpcbind.service"),
    "software-required": "dpkg --status less 2>/dev/null | grep -q '^Status: .* installed$'",
    "software-forbidden": "! dpkg --status lab-game 2>/dev/null | grep -q '^Status: .* installed$'",
    "software-allowed": "! apt list --installed 2>/dev/null | grep -v '^linux-' | grep -q ',local\\|installed,auto-local\\|\\[installed,local\\]'",
    "ssh-root-login": _SSHD.format("permitrootlogin no"),
    "ssh-passwords": f"{_SSHD.format('passwordauthentication no')} && {_SSHD.format('kbdinteractiveauthentication no')}",
    "ssh-trust": f"{_SSHD.format('permitemptypasswords no')} && {_SSHD.format('hostbasedauthentication no')}",
    "ssh-forwarding": f"{_SSHD.format('x11forwarding no')} && {_SSHD.format('allowtcpforwarding no')}",
    "ssh-auth-tries": "test $(sshd -T | awk '$1 == \"maxauthtries\" { print $2 }') -le 4",
    "ssh-grace-time": "test $(sshd -T | awk '$1 == \"logingracetime\" { print $2 }') -le 60",
    "ssh-idle": "n=$(sshd -T | awk '$1 == \"clientaliveinterval\" { print $2 }'); test $n -ge 1 -a $n -le 300",
    "ssh-ciphers": "! sshd -T | grep -Eq '^(ciphers|macs|kexalgorithms) .*(cbc|arcfour|hmac-md5|hmac-sha1(,|$|-96)|group1-sha1)'",
    "ssh-banner": _SSHD.format("banner /etc/issue.net"),
    "ssh-rights": "! find /etc/ssh /etc/ssh/sshd_config.d -maxdepth 0 -perm /0022 | grep -q ."
    " && ! find /etc/ssh -name 'ssh_host_*_key' -perm /0137 | grep -q .",
    "sudo-who": "! sudo -l -U carla 2>/dev/null | grep -q '(ALL : ALL) ALL'",
    "sudo-people": "! sudo -l -U dora 2>/dev/null | grep -q '(ALL : ALL) ALL'",
    "sudo-nopasswd": "! sudo -l -U guest 2>/dev/null | grep -q NOPASSWD",
    "sudo-terminal": _SUDO.format("!?use_pty", "use_pty"),
    "sudo-log": _SUDO.format("logfile=[^ ]*", "logfile=/var/log/sudo.log"),
    "sudo-timeout": _SUDO.format("timestamp_timeout=[^ ]*", "timestamp_timeout=5"),
    "sudo-rights": "! find /etc/sudoers /etc/sudoers.d -type f -perm /0337 | grep -q .",
    "updates-automatic": "! apt-config dump | grep -q '^APT::Periodic::Unattended-Upgrade \"1\"'",
    "updates-held": 'test -z "$(apt-mark showhold)"',
}
# Both about the firewall: the one ends what the other changes.
ONLY = {"firewall-active": 0, "firewall-open": 1}
