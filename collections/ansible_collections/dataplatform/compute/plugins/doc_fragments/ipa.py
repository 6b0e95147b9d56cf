# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Documentation that the modules for FreeIPA share."""

from __future__ import annotations


class ModuleDocFragment:
    """Common options: which server, and in whose name."""

    DOCUMENTATION = r"""
options:
  server:
    description:
      - The FreeIPA server, by the name under which it was installed.
      - Without it, the variable E(IPA_HOST) is used.
    type: str
    required: true
  realm:
    description: The Kerberos realm, in capitals.
    type: str
    required: true
  user:
    description:
      - The account that the task uses.
      - Without it, the variable E(IPA_USER) is used.
    type: str
    default: admin
  password:
    description:
      - The account's password.
      - Where no option says how to log in, the variable E(IPA_PASS) is used. Never an argument of a program that is
        run.
    type: str
  keytab:
    description:
      - File on this machine with the account's keys, in place of a password.
      - Where no option says how to log in, the variable E(IPA_KEYTAB) is used.
    type: path
  ticket_cache:
    description:
      - A ticket cache on this machine with a ticket of O(user), such as V(FILE:/tmp/krb5cc_0), in place of a
        password. The task gets no ticket of its own then, and leaves this one. A ticket of somebody else is refused.
    type: str
  ca_path:
    description: File with the certificate authority of the server.
    type: path
    default: /etc/ipa/ca.crt
  kdcs:
    description:
      - The realm's KDCs, as V(HOST) or V(HOST:PORT).
      - Without them, this machine's C(krb5.conf) decides, if a ticket is needed at all.
    type: list
    elements: str
    default: []
  https_port:
    description: Where the server's API listens.
    type: int
    default: 443
  timeout:
    description: Seconds to wait for an answer to one request, before the request is made again.
    type: float
    default: 30.0
notes:
  - Requests that get no connection, are cut off or answer 502, 503 or 504 are repeated up to three times. An expired
    session is renewed once.
  - Proxies of the environment are not used.
  - On a local connection without C(become) and C(async) the task runs inside the Ansible process.
requirements:
  - requests >= 2.32
  - tenacity >= 8.2
  - krb5-user (kinit, klist) and curl, where O(keytab) or O(ticket_cache) is used
"""
