# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Until when operating systems are supported. Data only; operating_system.py decides which table is asked.

DISTRO_INFO holds the releases since 2015 out of Debian's distro-info-data (file date below); a test compares it with
the machine's own copy. OTHERS holds the life-cycle dates that the makers publish.
"""

from __future__ import annotations

DISTRO_INFO_VERSION = "0.58+deb12u6"
DISTRO_INFO_DATE = "2025-10-18"
DISTRO_INFO = {
    "debian": {
        "8": {"eol": "2018-06-17", "eol-lts": "2020-06-30"},
        "9": {"eol": "2020-07-18", "eol-lts": "2022-06-30"},
        "10": {"eol": "2022-09-10", "eol-lts": "2024-06-30"},
        "11": {"eol": "2024-08-14", "eol-lts": "2026-08-31"},
        "12": {"eol": "2026-07-11", "eol-lts": "2028-06-30"},
        "13": {"eol": "2028-08-09", "eol-lts": "2030-06-30"},
    },
    "ubuntu": {
        "15.04": {"eol": "2016-02-04"},
        "15.10": {"eol": "2016-07-28"},
        "16.04": {"eol": "2021-04-30", "eol-esm": "2026-04-23"},
        "16.10": {"eol": "2017-07-20"},
        "17.04": {"eol": "2018-01-13"},
        "17.10": {"eol": "2018-07-19"},
        "18.04": {"eol": "2023-05-31", "eol-esm": "2028-04-26"},
        "18.10": {"eol": "2019-07-18"},
        "19.04": {"eol": "2020-01-23"},
        "19.10": {"eol": "2020-07-17"},
        "20.04": {"eol": "2025-05-29", "eol-esm": "2030-04-23"},
        "20.10": {"eol": "2021-07-22"},
        "21.04": {"eol": "2022-01-20"},
        "21.10": {"eol": "2022-07-14"},
        "22.04": {"eol": "2027-06-01", "eol-esm": "2032-04-21"},
        "22.10": {"eol": "2023-07-20"},
        "23.04": {"eol": "2024-01-25"},
        "23.10": {"eol": "2024-07-11"},
        "24.04": {"eol": "2029-05-31", "eol-esm": "2034-04-25"},
        "24.10": {"eol": "2025-07-10"},
        "25.04": {"eol": "2026-01-15"},
        "25.10": {"eol": "2026-07-09"},
        "26.04": {"eol": "2031-05-29", "eol-esm": "2036-04-23"},
    },
}

# By major version.
OTHERS = {
    "rhel": {"7": "2024-06-30", "8": "2029-05-31", "9": "2032-05-31", "10": "2035-05-31"},
    "centos": {"7": "2024-06-30", "8": "2021-12-31"},
    "centos-stream": {"8": "2024-05-31", "9": "2027-05-31"},
    "rocky": {"8": "2029-05-31", "9": "2032-05-31", "10": "2035-05-31"},
    "almalinux": {"8": "2029-03-01", "9": "2032-05-31", "10": "2035-05-31"},
    "ol": {"7": "2024-12-31", "8": "2029-07-31", "9": "2032-06-30", "10": "2035-06-30"},
    "amzn": {"2": "2026-06-30", "2023": "2029-06-30"},
}
OTHERS_SOURCE = {
    "rhel": "Red Hat Enterprise Linux life cycle, end of maintenance support, as published in 2025",
    "centos": "CentOS Linux product page, end of maintenance updates, as published in 2024",
    "centos-stream": "CentOS Stream product page, expected end of life, as published in 2024",
    "rocky": "Rocky Linux release and version guide, as published in 2025",
    "almalinux": "AlmaLinux release notes, end of security support, as published in 2025",
    "ol": "Oracle Linux lifetime support policy, end of premier support, as published in 2025",
    "amzn": "Amazon Linux release documentation, end of support, as published in 2025",
}
