#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes many files, and sets the rights of many, in one run. The work is in module_utils/standards/file_writing.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Write small files, change lines of files and set the rights of files, all in one round trip
version_added: 0.1.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - Does for many files what M(ansible.builtin.copy) with C(content), M(ansible.builtin.replace) and
    M(ansible.builtin.file) do for one. Each of those takes the host as long as all of these together.
  - First come the directories, then the files that are written, then what is replaced in files, then the rights of what
    is there.
  - The rights of what a link leads to are left as they are. A link in the place of a file that is to be written is
    replaced.
options:
  directories:
    description: Directories, made where they are not there. Their parents have to be.
    type: list
    elements: str
    default: []
  contents:
    description: For each path of a file, the whole text that is to be in it.
    type: dict
    default: {}
  replacements:
    description:
      - What is replaced in files that are there, one after another. A file is written once, with all of it replaced.
      - A file that is not there is an error.
    type: list
    elements: dict
    default: []
    suboptions:
      paths:
        description: The files.
        type: list
        elements: str
        required: true
      regexp:
        description: A regular expression of Python's; C(^) and C($) match at each line.
        type: str
        required: true
      replace:
        description: What takes the place of each match, with references as C(\1) or C(\g<name>).
        type: str
        required: true
      after:
        description:
          - A regular expression; only what follows its first match is looked at.
          - Where it does not match, nothing of the file is replaced.
        type: str
      repeat:
        description: Whether it is done again until nothing changes any more, for matches that lie within each other.
        type: bool
        default: false
  backup:
    description: Whether a copy of each file that O(replacements) change stays beside it, named as Ansible names them.
    type: bool
    default: false
  backup_directory:
    description:
      - Where these copies go instead, for directories whose every file is read. Made where it is not there, for the
        owner alone.
    type: str
  only_lines:
    description:
      - Whether a difference shows nothing of what O(replacements) change but the lines that differ. For files that may
        have secrets beside them.
    type: bool
    default: false
  proof:
    description:
      - Commands, each as a list of words, that run one after another once a text was changed, such as a check of the
        whole configuration and a reload.
      - Where one does not end well every text is put back as it was, the commands are run once more, and the run ends
        in an error. Not in check mode.
    type: list
    elements: list
    default: []
  paths:
    description: Files and directories that only get their rights. One that is not there is an error.
    type: list
    elements: str
    default: []
  owner:
    description: Whose all of them are to be. Where it is left out, they stay whose they are.
    type: str
  group:
    description: As O(owner), for the group.
    type: str
  mode:
    description:
      - The rights of every file, octal in quotes or symbolic, as M(ansible.builtin.file) takes them.
      - Required with O(contents).
    type: raw
  validate:
    description:
      - A command that has to end well before a new file takes its place, with C(%s) for the path of that file.
      - Where it does not, the run ends there, in check mode too if its program is on the host already.
    type: str
  directory_mode:
    description:
      - The rights of every directory, be it in O(directories) or in O(paths).
      - Where it is left out, they stay as they are.
    type: raw
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  platform:
    support: full
    platforms: posix
requirements:
  - Python 3.9 or newer on the host, standard library only
seealso:
  - module: ansible.builtin.copy
  - module: ansible.builtin.file
  - module: ansible.builtin.replace
"""

EXAMPLES = r"""
- name: Write what is shown before a login
  msp.ops.files:
    contents:
      /etc/issue: "For authorised use only.\n"
      /etc/issue.net: "For authorised use only.\n"
    owner: root
    group: root
    mode: "0644"
  become: true

- name: Let only root change what runs by the clock
  msp.ops.files:
    paths: [/etc/crontab, /etc/cron.d, /etc/cron.daily]
    owner: root
    group: root
    mode: u-x,go=
    directory_mode: go=
  become: true

- name: Have every rule of sudo ask for a password
  msp.ops.files:
    replacements:
      - paths: [/etc/sudoers, /etc/sudoers.d/deploy]
        regexp: '^([^#\n]*)\bNOPASSWD:[ \t]*'
        replace: \1
    backup: true
    validate: visudo -c -f %s
  become: true
"""

RETURN = r"""
files:
  description: What was changed, or would be.
  returned: always
  type: list
  elements: str
  sample: [/etc/issue, /etc/issue.net]
"""

import os
import re

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.msp.ops.plugins.module_utils.standards.file_writing import FileWriting, NotValid, by_path

SPEC = {
    "directories": {"type": "list", "elements": "str", "default": []},
    "contents": {"type": "dict", "default": {}},
    "replacements": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "paths": {"type": "list", "elements": "str", "required": True},
            "regexp": {"type": "str", "required": True},
            "replace": {"type": "str", "required": True},
            "after": {"type": "str"},
            "repeat": {"type": "bool", "default": False},
        },
    },
    "backup": {"type": "bool", "default": False},
    "backup_directory": {"type": "str"},
    "only_lines": {"type": "bool", "default": False},
    "proof": {"type": "list", "elements": "list", "default": []},
    "paths": {"type": "list", "elements": "str", "default": []},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "raw"},
    "directory_mode": {"type": "raw"},
    "validate": {"type": "str"},
}


def main() -> None:
    module = AnsibleModule(SPEC, supports_check_mode=True)
    asked = module.params
    of_files = {name: asked[name] for name in ("owner", "group", "mode")}
    of_directories = {**of_files, "mode": asked["directory_mode"]}
    if asked["contents"] and asked["mode"] is None:
        module.fail_json(msg="mode is required with contents")
    if asked["validate"] is not None and "%s" not in asked["validate"]:
        module.fail_json(msg="validate must have %s for the path of the new file")
    writing = FileWriting(module, asked["validate"], asked["backup_directory"], only_lines=asked["only_lines"])
    try:
        for path in asked["directories"]:
            writing.make(path, of_directories)
        for path, text in asked["contents"].items():
            writing.write(path, text, of_files)
        for path, changes in by_path(asked["replacements"]).items():
            writing.rewrite(path, changes, backup=asked["backup"])
        for path in asked["paths"]:
            writing.shield(path, of_directories if os.path.isdir(path) else of_files)
        if not module.check_mode:
            writing.prove(asked["proof"])
    except (OSError, NotValid, re.error) as error:
        module.fail_json(msg="%s" % error, files=writing.changed)
    module.exit_json(changed=bool(writing.changed), files=writing.changed, diff=writing.differences)


if __name__ == "__main__":
    main()
