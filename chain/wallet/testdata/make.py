"""Writes the encrypted keyfiles of this folder by code that is not ours: libsodium, and python3-cryptography.

Run: /usr/bin/python3 make.py. Those with "-full" in their name have btwallet's cost, 512 MiB and some ten seconds each; the others have
the cost that the tests name.
"""
import ctypes
import base64
import hashlib
import hmac

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PLAIN = b'{"secretSeed":"0x' + b"11" * 32 + b'"}'
PASSWORD = b"correct horse"
NACL_SALT = b"\x13q\x83\xdf\xf1Z\t\xbc\x9c\x90\xb5Q\x879\xe9\xb1"
FERNET_SALT = b"Iguesscyborgslikemyselfhaveatendencytobeparanoidaboutourorigins"


def write(name, data):
    with open(name, "wb") as file:
        file.write(data)


def nacl(passes, memory):
    sodium = ctypes.CDLL("libsodium.so.23")
    key = ctypes.create_string_buffer(32)
    size, cost = ctypes.c_ulonglong, ctypes.c_size_t
    if sodium.crypto_pwhash_argon2i(key, size(32), PASSWORD, size(len(PASSWORD)), NACL_SALT, size(passes), cost(memory), 1):
        raise MemoryError
    nonce, out = bytes(range(24)), ctypes.create_string_buffer(len(PLAIN) + 16)
    sodium.crypto_secretbox_easy(out, PLAIN, size(len(PLAIN)), nonce, key.raw)
    return b"$NACL" + nonce + out.raw


def fernet(rounds):
    key = hashlib.pbkdf2_hmac("sha256", PASSWORD, FERNET_SALT, rounds, 32)
    return Fernet(base64.urlsafe_b64encode(key))._encrypt_from_parts(PLAIN, 1600000000, bytes(range(16)))


def vault():
    salt = bytes(range(32))
    keys = hashlib.pbkdf2_hmac("sha256", PASSWORD, salt, 10000, 80)
    pad = 16 - len(PLAIN) % 16
    encryptor = Cipher(algorithms.AES(keys[:32]), modes.CTR(keys[64:])).encryptor()
    sealed = encryptor.update(PLAIN + bytes([pad]) * pad) + encryptor.finalize()
    mac = hmac.new(keys[32:64], sealed, hashlib.sha256).hexdigest()
    body = "\n".join([salt.hex(), mac, sealed.hex()]).encode().hex()
    lines = [body[i:i + 80] for i in range(0, len(body), 80)]
    return "\n".join(["$ANSIBLE_VAULT;1.1;AES256", *lines, ""]).encode()


write("nacl", nacl(3, 1 << 16))
write("nacl-full", nacl(8, 512 << 20))
write("fernet", fernet(10))
write("fernet-full", fernet(10_000_000))
write("vault", vault())
