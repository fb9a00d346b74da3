package wallet

import (
	"bytes"
	"fmt"
	"io"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/nacl/secretbox"
)

const naclMark = "$NACL"

// naclSalt is btwallet's, the same in every keyfile (src/keyfile.rs): a password, not the file, is what makes a key strong.
var naclSalt = []byte("\x13q\x83\xdf\xf1Z\t\xbc\x9c\x90\xb5Q\x879\xe9\xb1")

// costs of making a key of a password. They are parameters so that tests need not pay them.
type costs struct {
	argonPasses, argonKiB uint32
	fernetRounds          int
}

// full are btwallet's: libsodium's OPSLIMIT_SENSITIVE and MEMLIMIT_SENSITIVE of argon2i13, seconds and 512 MiB; and the rounds of the
// oldest form, seconds too.
var full = costs{argonPasses: 8, argonKiB: 512 << 10, fernetRounds: 10_000_000}

func sealNACL(random io.Reader, plain, password []byte, c costs) ([]byte, error) {
	var nonce [24]byte
	if _, err := io.ReadFull(random, nonce[:]); err != nil {
		return nil, fmt.Errorf("random bytes for a keyfile: %w", err)
	}
	key := naclKey(password, c)
	return secretbox.Seal(append([]byte(naclMark), nonce[:]...), plain, &nonce, &key), nil
}

func openNACL(data, password []byte, c costs) ([]byte, error) {
	body := bytes.TrimPrefix(data, []byte(naclMark))
	if len(body) < 24+secretbox.Overhead {
		return nil, fmt.Errorf("%w: what follows %s is cut off", ErrKeyfile, naclMark)
	}
	nonce, key := [24]byte(body), naclKey(password, c)
	plain, ok := secretbox.Open(nil, body[24:], &nonce, &key)
	if !ok {
		return nil, ErrPassword
	}
	return plain, nil
}

func naclKey(password []byte, c costs) [32]byte {
	return [32]byte(argon2.Key(password, naclSalt, c.argonPasses, c.argonKiB, 1, 32))
}
