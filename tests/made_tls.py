"""A certificate authority of the tests, and servers that take whatever they can be made to take.

All of it is real: the servers are Debian's, the certificates are made by the library cryptography.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

WWW, SHOP, MAIL = ("www.harbour.example.com", "shop.harbour.example.com", "mail.harbour.example.com")
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return self.key.private_bytes(*form).decode()


def made(
    subject: str,
    issuer: Made | None = None,
    *,
    names: Sequence[str] = (),
    days: float = 90,
    key: Key | None = None,
    authority: bool = False,
) -> Made:
    """A certificate that began a hundred days ago and ends in so many; without an issuer it signs itself."""
    own = key or rsa.generate_private_key(65537, 2048)
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(called if issuer is None else issuer.certificate.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=100))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
    signing = own if issuer is None else issuer.key
    return Made(builder.sign(signing, hashes.SHA256()), own)


@dataclass(frozen=True)
class Authority:
    root: Made
    between: Made

    def leaf(self, *names: str, days: float = 90, key: Key | None = None) -> Made:
        return made(names[0], self.between, names=names, days=days, key=key)

    def chain(self, leaf: Made) -> str:
        return leaf.pem + self.between.pem


def pem_of(known: Authority | None) -> str:
    """What a client has to know to believe all that it signed."""
    assert known is not None
    return known.root.pem


def authority() -> Authority:
    root = made("Harbour Root", days=3000, authority=True)
    return Authority(root, made("Harbour Issuing", root, days=1000, authority=True))


PLACE = "/etc/lab-tls"
EVERYTHING = "ALL:@SECLEVEL=0"
# Of the customer, in a file that is changed.
SECRET = "bGFiOmxhYg-never-shown"  # noqa: S105 - a made one
NGINX = f"""
server {{
    # ssl_protocols TLSv1; of a comment, which stays
    listen 443 ssl default_server; server_name {WWW}; ssl_certificate {PLACE}/www.pem;
    ssl_certificate_key {PLACE}/www.key; ssl_ciphers "{EVERYTHING}";
    location /behind {{ proxy_pass http://127.0.0.1:9; proxy_set_header Authorization "Basic {SECRET}"; }}
}}
server {{
    listen 443 ssl;
    server_name {SHOP};
    ssl_certificate {PLACE}/www.pem;
    ssl_certificate_key {PLACE}/www.key;
    ssl_ciphers
        {EVERYTHING};
}}
server {{
    listen 8443 ssl;
    ssl_certificate {PLACE}/www.pem;
    ssl_certificate_key {PLACE}/www.key;
    ssl_protocols TLSv1.3;
}}
"""
# One server a port, each with another fault.
FAULTY = """
server {{
    listen {port} ssl;
    server_name {name};
    ssl_certificate {place}/{file}.pem;
    ssl_certificate_key {place}/{file}.key;
    ssl_protocols TLSv1.2 TLSv1.3;
}}
"""
ENDED, ENDING, INCOMPLETE, OWN = (8444, 8445, 8446, 8447)
APACHE_PORT, APACHE_STRICT = (9443, 9444)
APACHE = f"""
Listen {APACHE_PORT}
Listen {APACHE_STRICT}
<VirtualHost *:{APACHE_PORT}>
    ServerName {WWW}
    SSLEngine on
    SSLCertificateFile {PLACE}/www.pem
    SSLCertificateKeyFile {PLACE}/www.key
    SSLProtocol all
    SSLCipherSuite \\
        {EVERYTHING}
</VirtualHost>
<VirtualHost *:{APACHE_STRICT}>
    ServerName {WWW}
    SSLEngine on
    SSLCertificateFile {PLACE}/www.pem
    SSLCertificateKeyFile {PLACE}/www.key
    SSLProtocol -all +TLSv1.3
</VirtualHost>
"""
POSTFIX: Mapping[str, str] = {
    "myhostname": MAIL,
    "inet_interfaces": "all",
    "smtpd_tls_chain_files": f"{PLACE}/mail.key, {PLACE}/mail.pem",
    "smtpd_tls_security_level": "may",
    "smtpd_tls_protocols": ">=TLSv1",
    "smtpd_tls_ciphers": "low",
    "tls_low_cipherlist": EVERYTHING,
    "smtp_tls_security_level": "",
    # Of the client, so that no port shows it.
    "smtp_tls_cert_file": f"{PLACE}/client.pem",
    "smtp_tls_key_file": f"{PLACE}/client.key",
}
PREPARE = f"""
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o Acquire::Languages=none update
apt-get -qqy -o Dpkg::Options::=--force-unsafe-io install --no-install-recommends \\
  nginx-light apache2 postfix ca-certificates >/dev/null 2>&1
rm -f /etc/nginx/sites-enabled/default
echo 'Listen 9080' >/etc/apache2/ports.conf
sed -i 's/:80>/:9080>/' /etc/apache2/sites-available/000-default.conf
a2enmod -q ssl >/dev/null
install -d -m 0700 {PLACE}
"""
SUBMISSION = """
postconf -M submission/inet="submission inet n - y - - smtpd"
postconf -P submission/inet/smtpd_tls_security_level=encrypt
postconf -P submission/inet/smtpd_tls_mandatory_protocols='>=TLSv1'
postconf -P submission/inet/smtpd_tls_mandatory_ciphers=low
"""
# What only works as long as everything is taken: OpenSSL takes no key of 1024 bits where it is at its own level.
SHORT_KEY = f"""
server {{{{
    listen 8450 ssl;
    ssl_certificate {PLACE}/client.pem;
    ssl_certificate_key {PLACE}/client.key;
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2;
    ssl_ciphers {EVERYTHING};
}}}}
""".replace("{{", "{").replace("}}", "}")


def files(lab: Authority) -> dict[str, str]:
    """What is in PLACE, by name: certificates with what the server sends along, and their keys."""
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - what is to be found
    of: dict[str, tuple[Made, str]] = {}

    def add(name: str, leaf: Made, text: str | None = None) -> None:
        of[name] = (leaf, lab.chain(leaf) if text is None else text)

    add("www", lab.leaf(WWW))
    add("mail", lab.leaf(MAIL))
    add("ended", lab.leaf(WWW, days=-3))
    add("ending", lab.leaf(WWW, days=5.5))
    lacking = lab.leaf(WWW)
    add("incomplete", lacking, lacking.pem)
    own = made(WWW, names=[WWW])
    add("own", own, own.pem)
    add("client", lab.leaf(MAIL, key=short))
    return {
        f"{name}.{ending}": text
        for name, (leaf, chain) in of.items()
        for ending, text in (("pem", chain), ("key", leaf.key_pem))
    }


def nginx() -> str:
    faulty = {ENDED: "ended", ENDING: "ending", INCOMPLETE: "incomplete", OWN: "own"}
    each = (FAULTY.format(port=port, name=WWW, place=PLACE, file=file) for port, file in faulty.items())
    return NGINX + "".join(each)
