"""FreeIPA's LDAP server as far as ``ipa-getkeytab`` speaks to it: StartTLS, binds, and the operation for keytabs."""

from __future__ import annotations

import re
import socketserver
import ssl
from typing import Any

import gssapi
from pyasn1.codec.ber import decoder, encoder
from pyasn1.type import namedtype, tag, univ
from pyasn1_modules import rfc2251

from tests.freeipa.directory import READ, WRITE, Directory, IpaError

START_TLS = "1.3.6.1.4.1.1466.20037"
GET_KEYTAB = "2.16.840.1.113730.3.8.10.5"
SUCCESS, PROTOCOL_ERROR, SASL_IN_PROGRESS, NO_SUCH_OBJECT = 0, 2, 14, 32
INVALID_CREDENTIALS, INSUFFICIENT_ACCESS, UNWILLING = 49, 50, 53


def _explicit(number: int) -> tag.Tag:
    return tag.Tag(tag.tagClassContext, tag.tagFormatConstructed, number)


def _field(name: str, kind: Any, number: int, *, optional: bool = False) -> namedtype.NamedType:
    kinds = namedtype.OptionalNamedType if optional else namedtype.NamedType
    return kinds(name, kind.subtype(explicitTag=_explicit(number)))


class _NewKeys(univ.Sequence):
    componentType = namedtype.NamedTypes(
        _field("serviceIdentity", univ.OctetString(), 0),
        _field("enctypes", univ.SequenceOf(componentType=univ.Integer()), 1),
        _field("password", univ.OctetString(), 2, optional=True),
    )


class _CurrentKeys(univ.Sequence):
    componentType = namedtype.NamedTypes(_field("serviceIdentity", univ.OctetString(), 0))


class _TypeValue(univ.Sequence):
    componentType = namedtype.NamedTypes(_field("type", univ.Integer(), 0), _field("value", univ.OctetString(), 1))


class _KrbKey(univ.Sequence):
    componentType = namedtype.NamedTypes(
        _field("key", _TypeValue(), 0),
        _field("salt", _TypeValue(), 1, optional=True),
        _field("s2kparams", univ.OctetString(), 2, optional=True),
    )


class _Reply(univ.Sequence):
    componentType = namedtype.NamedTypes(
        namedtype.NamedType("newkvno", univ.Integer()),
        namedtype.NamedType("keys", univ.SequenceOf(componentType=_KrbKey())),
    )


class GetKeytabControl(univ.Choice):
    """The value of the request and of the reply's control; all tags are explicit."""

    componentType = namedtype.NamedTypes(
        _field("newkeys", _NewKeys(), 0), _field("curkeys", _CurrentKeys(), 1), _field("reply", _Reply(), 2)
    )


class LdapError(Exception):
    """What the server answers instead: LDAP's result code and a message."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


class Handler(socketserver.StreamRequestHandler):
    """One client."""

    directory: Directory
    tls: ssl.SSLContext
    secure = False
    principal = ""
    context: gssapi.SecurityContext | None = None
    offered = False

    def handle(self) -> None:
        """Answer until the client unbinds or closes the connection."""
        while data := self._read_message():
            message, _rest = decoder.decode(data, asn1Spec=rfc2251.LDAPMessage())
            operation = message["protocolOp"].getName()
            body = message["protocolOp"].getComponent()
            if operation == "bindRequest":
                self._bind(int(message["messageID"]), body)
            elif operation == "extendedReq":
                self._extended(int(message["messageID"]), body)
            else:
                return

    def _read_message(self) -> bytes:
        """The next message; empty at the end. BER: a tag, a length in one byte or in as many as that says, a value."""
        head = self.rfile.read(2)
        if len(head) < 2:
            return b""
        length = head[1]
        if length & 0x80:
            size = self.rfile.read(length & 0x7F)
            head, length = head + size, int.from_bytes(size, "big")
        return head + self.rfile.read(length)

    def _bind(self, number: int, request: Any) -> None:
        way = request["authentication"]
        try:
            if way.getName() == "simple":
                self.principal = self._simple(str(request["name"]), bytes(way.getComponent()).decode())
                code, answer, text = SUCCESS, b"", ""
            else:
                sasl = way.getComponent()
                if str(sasl["mechanism"]) != "GSSAPI":
                    raise LdapError(7, "no such mechanism")
                token = bytes(sasl["credentials"]) if sasl["credentials"].isValue else b""
                code, answer, text = (*self._gssapi(token), "")
        except (LdapError, gssapi.exceptions.GSSError) as error:
            code, answer, text = getattr(error, "code", INVALID_CREDENTIALS), b"", str(error)
        self._send(number, 0x61, code, text, more=b"\x87" + _length(answer) if answer else b"")

    def _simple(self, name: str, password: str) -> str:
        if not self.secure:
            raise LdapError(13, "Minimum SSF not met")
        user = re.match(r"^uid=([^,]+),cn=users,cn=accounts,", name)
        if not user or self.directory.realm.has_password(user[1], password):
            raise LdapError(INVALID_CREDENTIALS, "Invalid credentials")
        return f"{user[1]}@{self.directory.realm.name}"

    def _gssapi(self, token: bytes) -> tuple[int, bytes]:
        """RFC 4752: tokens until the context is there, the offer of no security layer, the client's choice."""
        if self.context is None:
            name = gssapi.Name(f"ldap@{self.directory.realm.host}", gssapi.NameType.hostbased_service)
            self.context = gssapi.SecurityContext(creds=gssapi.Credentials(name=name, usage="accept"), usage="accept")
        if self.offered:
            self.context.unwrap(token)
            self.principal, self.offered = str(self.context.initiator_name), False
            self.context = None
            return SUCCESS, b""
        if not self.context.complete and (answer := self.context.step(token)):
            return SASL_IN_PROGRESS, answer
        self.offered = True
        return SASL_IN_PROGRESS, self.context.wrap(b"\x01\0\0\0", False).message

    def _extended(self, number: int, request: Any) -> None:
        name = str(request["requestName"])
        if name == START_TLS:
            self._send(number, 0x78, SUCCESS, "", more=b"\x8a" + _length(START_TLS.encode()))
            self.connection = self.tls.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb", -1), self.connection.makefile("wb", 0)
            self.secure = True
            return
        try:
            if name != GET_KEYTAB:
                raise LdapError(PROTOCOL_ERROR, "unsupported extended operation")
            with self.directory.lock:
                reply = self._keytab(bytes(request["requestValue"]))
        except LdapError as error:
            self._send(number, 0x78, error.code, str(error))
            return
        control = _sequence(0x30, b"\x04" + _length(GET_KEYTAB.encode()), b"\x04" + _length(reply))
        self._send(number, 0x78, SUCCESS, "", controls=_sequence(0xA0, control))

    def _send(self, number: int, kind: int, code: int, text: str, *, more: bytes = b"", controls: bytes = b"") -> None:
        """An LDAPResult of a kind: code, matched name (none), message, and what that kind adds."""
        result = b"\x0a\x01" + bytes([code]) + b"\x04\x00\x04" + _length(text.encode()) + more
        self.wfile.write(_sequence(0x30, encoder.encode(univ.Integer(number)), _sequence(kind, result), controls))
        self.wfile.flush()

    def _keytab(self, value: bytes) -> bytes:
        """FreeIPA's rules for the operation, in the order in which it applies them."""
        if not self.principal or not self.secure:
            raise LdapError(INSUFFICIENT_ACCESS, "Insufficient access rights")
        request, _rest = decoder.decode(value, asn1Spec=GetKeytabControl())
        wanted = request.getComponent()
        try:
            service = self.directory.service(bytes(wanted["serviceIdentity"]).decode())
        except IpaError as error:
            raise LdapError(NO_SUCH_OBJECT, "PrincipalName not found.") from error
        current = request.getName() == "curkeys"
        if not self.directory.may(self.principal, READ if current else WRITE, service):
            raise LdapError(INSUFFICIENT_ACCESS, "Insufficient access rights")
        if not current and wanted["password"].isValue:
            raise LdapError(UNWILLING, "The stand-in makes random keys only")
        keys = self.directory.realm.keys(service.principal) if current else self.directory.new_keys(service)
        if not keys:
            raise LdapError(UNWILLING, "Failed to get current keys")
        return _encode_reply(keys)


def _encode_reply(keys: Any) -> bytes:
    control = GetKeytabControl()
    reply = control["reply"]
    reply["newkvno"] = keys[0].version
    for number, key in enumerate(keys):
        reply["keys"][number]["key"]["type"] = key.enctype
        reply["keys"][number]["key"]["value"] = key.value
    return encoder.encode(control)


def _length(value: bytes) -> bytes:
    """A BER length and the value."""
    if len(value) < 0x80:
        return bytes([len(value)]) + value
    size = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(size)]) + size + value


def _sequence(kind: int, *parts: bytes) -> bytes:
    return bytes([kind]) + _length(b"".join(parts))


class Server(socketserver.ThreadingTCPServer):
    """The server; one thread per client."""

    daemon_threads = True
    allow_reuse_address = True


def serve(directory: Directory, tls: ssl.SSLContext, address: tuple[str, int]) -> Server:
    """Bind; ``serve_forever`` answers."""
    return Server(address, type("BoundHandler", (Handler,), {"directory": directory, "tls": tls}))
