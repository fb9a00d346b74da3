package wallet

import (
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/ChainSafe/go-schnorrkel"
	"golang.org/x/crypto/blake2b"
)

const (
	// developers is the public phrase of Substrate's development accounts: Alice is //Alice under it.
	developers = "bottom drive obey lake curtain smoke basket hold race lonely fit walk"
	// maxURI bounds a secret URI: a phrase, and more path than anyone types.
	maxURI = 1024
)

// FromURI makes a key of Substrate's secret URI: a mnemonic or a seed in hexadecimal, hard junctions //x, soft junctions /x, and
// ///password. Without a phrase it is that of the development accounts, so //Alice is known to everyone. The error wraps ErrURI,
// ErrMnemonic or ErrSeed. Source: sp_core::crypto::SecretUri and DeriveJunction.
func FromURI(uri string) (Keypair, error) {
	if len(uri) > maxURI {
		return Keypair{}, fmt.Errorf("%w: it has more than %d characters", ErrURI, maxURI)
	}
	rest, password, locked := strings.Cut(uri, "///")
	phrase, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		phrase, path = rest[:i], rest[i:]
	}
	if phrase == "" {
		phrase = developers
	}
	k, err := root(phrase, password, locked)
	if err != nil {
		return Keypair{}, err
	}
	for path != "" {
		hard := strings.HasPrefix(path, "//")
		path = strings.TrimPrefix(strings.TrimPrefix(path, "/"), "/")
		name, after := path, ""
		if i := strings.IndexByte(path, '/'); i >= 0 {
			name, after = path[:i], path[i:]
		}
		if name == "" {
			return Keypair{}, fmt.Errorf("%w: a junction has no name", ErrURI)
		}
		if k, err = k.derive(chainCode(name), hard); err != nil {
			return Keypair{}, err
		}
		path = after
	}
	return k, nil
}

func root(phrase, password string, locked bool) (Keypair, error) {
	if strings.HasPrefix(phrase, "0x") {
		if locked {
			return Keypair{}, fmt.Errorf("%w: a seed takes no password", ErrURI)
		}
		seed, err := parseSeed(phrase)
		if err != nil {
			return Keypair{}, err
		}
		return FromSeed(seed)
	}
	if !locked {
		return FromMnemonic(phrase)
	}
	phrase, err := normal(phrase)
	if err != nil {
		return Keypair{}, err
	}
	return fromPhrase(phrase, password)
}

func (k Keypair) derive(code [32]byte, hard bool) (Keypair, error) {
	if hard {
		mini, _, err := k.keys().schnorrkel().HardDeriveMiniSecretKey(nil, code)
		if err != nil {
			return Keypair{}, fmt.Errorf("%w: a hard junction cannot be derived", ErrURI)
		}
		return FromSeed(mini.Encode())
	}
	extended, err := schnorrkel.DeriveKeySimple(k.keys().schnorrkel(), nil, code)
	if err != nil {
		return Keypair{}, fmt.Errorf("%w: a soft junction cannot be derived", ErrURI)
	}
	secret, err := extended.Secret()
	if err != nil {
		return Keypair{}, fmt.Errorf("%w: a soft junction cannot be derived", ErrURI)
	}
	// The library keeps the nonce to itself. The parent's, hashed with the chain code, serves as well: no signature depends on it.
	scalar := secret.Encode()
	nonce := blake2b.Sum256(append(append([]byte(nil), k.keys().secret[32:]...), code[:]...))
	return fromSecret([64]byte(append(scalar[:], nonce[:]...)))
}

// chainCode is a junction's name in SCALE, a number as u64 and all else as a string, padded to 32 bytes or hashed when it is longer.
func chainCode(name string) (code [32]byte) {
	var scale []byte
	if n, err := strconv.ParseUint(name, 10, 64); err == nil {
		scale = binary.LittleEndian.AppendUint64(nil, n)
	} else if len(name) < 64 {
		scale = append([]byte{byte(len(name) << 2)}, name...)
	} else {
		scale = append(binary.LittleEndian.AppendUint16(nil, uint16(len(name)<<2|1)), name...)
	}
	if len(scale) > len(code) {
		return blake2b.Sum256(scale)
	}
	copy(code[:], scale)
	return code
}

// expand is schnorrkel's ExpandEd25519: the library makes the scalar, and the nonce, which it keeps to itself, is the hash's second half.
func expand(mini *schnorrkel.MiniSecretKey) [64]byte {
	seed := mini.Encode()
	hash := sha512.Sum512(seed[:])
	scalar := mini.ExpandEd25519().Encode()
	return [64]byte(append(scalar[:], hash[32:]...))
}
