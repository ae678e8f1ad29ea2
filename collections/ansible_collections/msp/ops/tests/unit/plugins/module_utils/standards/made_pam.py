# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""PAM's files as Debian 12 and Red Hat 9 have them, without their comments of many lines."""

from __future__ import annotations

BLOCK = """# here are the per-package modules (the "Primary" block)
{0}
# here's the fallback if no module succeeds
{1}	requisite			pam_deny.so
# prime the stack with a positive return value if there isn't one already;
{1}	required			pam_permit.so
{2}# and here are more per-package modules (the "Additional" block)
{3}# end of pam-auth-update config
"""
PERMIT = "session	[default=1]			pam_permit.so"
SESSION = BLOCK.format(
    PERMIT, "session", "", "session	required	pam_unix.so \nsession	optional	pam_systemd.so \n"
)
NONINTERACTIVE = BLOCK.format(PERMIT, "session", "", "session	required	pam_unix.so \n")
PASSWORD = BLOCK.format("password	[success=1 default=ignore]	pam_unix.so obscure yescrypt", "password", "", "")
AUTH = BLOCK.format("auth	[success=1 default=ignore]	pam_unix.so nullok", "auth", "", "")
ACCOUNT = BLOCK.format("account	[success=1 new_authtok_reqd=done default=ignore]	pam_unix.so ", "account", "", "")
SSHD = """# PAM configuration for the Secure Shell service
@include common-auth
account    required     pam_nologin.so
@include common-account
session [success=ok ignore=ignore module_unknown=ignore default=bad]        pam_selinux.so close
session    required     pam_loginuid.so
@include common-session
session    optional     pam_mail.so standard noenv # [1]
session    required     pam_env.so user_readenv=1 envfile=/etc/default/locale
@include common-password
"""
USERS = "root:x:0:0:root:/root:/bin/bash\nanna:x:1000:1000:Anna,,,:/home/anna:/bin/bash\n"
GROUPS = "root:x:0:\nanna:x:1000:\n"
DEBIAN = {
    "/etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
    "/etc/passwd": USERS,
    "/etc/group": GROUPS,
    "/etc/login.defs": "#\tUMASK\t\tDefault\nUMASK\t\t022\nUSERGROUPS_ENAB yes\nENCRYPT_METHOD SHA512\n",
    "/etc/pam.d/sshd": SSHD,
    "/etc/pam.d/cron": "@include common-auth\nsession required pam_limits.so\n@include common-session-noninteractive\n",
    "/etc/pam.d/passwd": "@include common-password\n",
    "/etc/pam.d/common-auth": AUTH,
    "/etc/pam.d/common-account": ACCOUNT,
    "/etc/pam.d/common-password": PASSWORD,
    "/etc/pam.d/common-session": SESSION,
    "/etc/pam.d/common-session-noninteractive": NONINTERACTIVE,
    "/var/lib/pam/auth": "Module: unix\n[success=end default=ignore]	pam_unix.so nullok\n",
    "/var/lib/pam/account": "Module: unix\n[success=end new_authtok_reqd=done default=ignore]	pam_unix.so\n",
    "/var/lib/pam/password": "Module: unix\n[success=end default=ignore]	pam_unix.so obscure yescrypt\n",
    "/var/lib/pam/session": (
        "Module: null\n[default=1]			pam_permit.so\n"
        "Module: unix\nrequired	pam_unix.so\nModule: systemd\noptional	pam_systemd.so\n"
    ),
    "/var/lib/pam/session-noninteractive": (
        "Module: null\n[default=1]			pam_permit.so\nModule: unix\nrequired	pam_unix.so\n"
    ),
}
RED_HAT = {
    "/etc/os-release": 'ID="rocky"\nVERSION_ID="9.4"\n',
    "/etc/passwd": USERS,
    "/etc/group": GROUPS,
    "/etc/login.defs": "UMASK 022\nENCRYPT_METHOD SHA512\n",
    "/etc/pam.d/sshd": "auth substack password-auth\nauth include postlogin\npassword include password-auth\n"
    "session required pam_selinux.so close\nsession include password-auth\nsession include postlogin\n",
    "/etc/pam.d/crond": "session required pam_loginuid.so\nsession include password-auth\nauth include password-auth\n",
    "/etc/pam.d/passwd": "auth include system-auth\npassword substack system-auth\n-password optional pam_x.so\n",
    "/etc/pam.d/password-auth": "auth sufficient pam_unix.so nullok\n"
    "password sufficient pam_unix.so sha512 shadow nullok use_authtok\npassword required pam_deny.so\n"
    "session optional pam_keyinit.so revoke\nsession required pam_limits.so\n-session optional pam_systemd.so\n"
    "session [success=1 default=ignore] pam_succeed_if.so service in crond quiet use_uid\n"
    "session required pam_unix.so\n",
    "/etc/pam.d/system-auth": "password sufficient pam_unix.so sha512 shadow nullok use_authtok\n"
    "password required pam_deny.so\nsession required pam_unix.so\n",
    "/etc/pam.d/postlogin": "session optional pam_umask.so silent\n"
    "session [success=1 default=ignore] pam_succeed_if.so service !~ gdm* service !~ su* quiet\n"
    "session [default=1] pam_lastlog.so nowtmp silent\nsession optional pam_lastlog.so silent noupdate showfailed\n",
}
