// Package wallet reads and writes Bittensor's wallets: sr25519 keys, their addresses, and the keyfiles of btwallet, plain or encrypted.
//
// Nothing secret leaves it but by a keyfile and by Create, which returns the mnemonic to be shown once: a Keypair prints as its address,
// and no error quotes what a secret file or phrase holds.
package wallet

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/ChainSafe/go-schnorrkel"
	"github.com/cosmos/go-bip39"
)

// What callers decide by.
var (
	// ErrAddress is a text that is no SS58 address.
	ErrAddress = errors.New("not an SS58 address")
	// ErrMnemonic is a phrase that is no BIP-39 mnemonic.
	ErrMnemonic = errors.New("not a mnemonic")
	// ErrSeed is a seed or private key that is none.
	ErrSeed = errors.New("not a key")
	// ErrURI is a secret URI that is malformed.
	ErrURI = errors.New("not a secret URI")
	// ErrKeyfile is a keyfile that is malformed, or whose parts contradict each other.
	ErrKeyfile = errors.New("not a keyfile")
	// ErrTooLarge is a keyfile above its bound.
	ErrTooLarge = errors.New("keyfile too large")
	// ErrLocked is an encrypted keyfile for which no password was given.
	ErrLocked = errors.New("the keyfile is encrypted, and there is no password")
	// ErrPassword is an encrypted keyfile that does not open.
	ErrPassword = errors.New("the password is wrong, or the keyfile was changed")
	// ErrMode is a secret file that others can read.
	ErrMode = errors.New("others can read the keyfile")
	// ErrName is a wallet's or hotkey's name that could lead out of its folder.
	ErrName = errors.New("not a wallet's name")
	// ErrExists is a keyfile that is there already. Nothing is overwritten.
	ErrExists = errors.New("the keyfile exists, and a key is never overwritten")
)

// maxPhrase bounds a phrase: 24 words of at most 8 letters, and generous white space.
const maxPhrase = 512

var signing = []byte("substrate")

// Keypair is an sr25519 key that signs. It prints as its address in every format, also in JSON and slog. The zero Keypair signs nothing:
// its signatures are zero.
type Keypair struct {
	// keys is a function because fmt shows of one no more than an address, also where a Keypair lies in an unexported field and fmt
	// cannot call its methods. Of a pointer it would show, for some verbs, what it points to.
	keys func() *keys
}

type keys struct {
	public [32]byte
	secret [64]byte // scalar and nonce, as schnorrkel's SecretKey::to_bytes
	seed   []byte   // 32 bytes, nil when the key has none
	phrase string   // "" when the key has none
}

// FromMnemonic makes a key of a BIP-39 phrase of 12, 15, 18, 21 or 24 English words, the way substrate-bip39 does: PBKDF2 over the entropy,
// not over the words. The error wraps ErrMnemonic.
func FromMnemonic(phrase string) (Keypair, error) {
	phrase, err := normal(phrase)
	if err != nil {
		return Keypair{}, err
	}
	k, err := fromPhrase(phrase, "")
	if err == nil {
		k.keys().phrase = phrase
	}
	return k, err
}

// FromSeed makes a key of a mini secret key of 32 bytes.
func FromSeed(seed [32]byte) (Keypair, error) {
	mini, err := schnorrkel.NewMiniSecretKeyFromRaw(seed)
	if err != nil {
		return Keypair{}, fmt.Errorf("%w: the seed is refused", ErrSeed)
	}
	k, err := fromSecret(expand(mini))
	if err == nil {
		k.keys().seed = seed[:]
	}
	return k, err
}

// Generate draws a mnemonic of 12, 15, 18, 21 or 24 words. The error wraps ErrMnemonic for another number, or is the reader's.
func Generate(random io.Reader, words int) (string, error) {
	if words%3 != 0 || words < 12 || words > 24 {
		return "", fmt.Errorf("%w: %d words are asked for, it has 12, 15, 18, 21 or 24", ErrMnemonic, words)
	}
	entropy := make([]byte, words/3*4)
	if _, err := io.ReadFull(random, entropy); err != nil {
		return "", fmt.Errorf("random bytes for a mnemonic: %w", err)
	}
	phrase, err := bip39.NewMnemonic(entropy)
	if err != nil {
		return "", fmt.Errorf("%w: none can be made", ErrMnemonic)
	}
	return phrase, nil
}

// Public is the public key, 32 bytes. On chain it is the account.
func (k Keypair) Public() [32]byte {
	if k.keys == nil {
		return [32]byte{}
	}
	return k.keys().public
}

// Address is the SS58 address under prefix 42.
func (k Keypair) Address() string { return Address(k.Public()) }

// Sign signs a message in the context "substrate".
func (k Keypair) Sign(message []byte) [64]byte {
	if k.keys == nil {
		return [64]byte{}
	}
	signature, err := k.keys().schnorrkel().Sign(schnorrkel.NewSigningContext(signing, message))
	if err != nil {
		return [64]byte{} // a key is checked when it is made, and Go's random source does not fail
	}
	return signature.Encode()
}

// Verify tells whether a signature of 64 bytes is a public key's over a message, in the context "substrate".
func Verify(public [32]byte, message, signature []byte) bool {
	if len(signature) != 64 {
		return false
	}
	key, err := schnorrkel.NewPublicKey(public)
	if err != nil {
		return false
	}
	var s schnorrkel.Signature
	if err := s.Decode([64]byte(signature)); err != nil {
		return false
	}
	ok, err := key.Verify(&s, schnorrkel.NewSigningContext(signing, message))
	return err == nil && ok
}

// String is the address.
func (k Keypair) String() string { return k.Address() }

// Format writes the address, whatever the verb.
func (k Keypair) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.Address()) }

// MarshalText is the address.
func (k Keypair) MarshalText() ([]byte, error) { return []byte(k.Address()), nil }

// LogValue is the address.
func (k Keypair) LogValue() slog.Value { return slog.StringValue(k.Address()) }

func (k *keys) schnorrkel() *schnorrkel.SecretKey {
	return schnorrkel.NewSecretKey([32]byte(k.secret[:32]), [32]byte(k.secret[32:]))
}

func fromSecret(secret [64]byte) (Keypair, error) {
	k := &keys{secret: secret}
	public, err := k.schnorrkel().Public()
	if err != nil {
		return Keypair{}, fmt.Errorf("%w: the private key is no scalar", ErrSeed)
	}
	if k.public = public.Encode(); k.public == [32]byte{} {
		return Keypair{}, fmt.Errorf("%w: the private key is zero", ErrSeed)
	}
	return Keypair{func() *keys { return k }}, nil
}

func parseSeed(s string) (seed [32]byte, err error) {
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil || len(b) != len(seed) {
		return seed, fmt.Errorf("%w: a seed is 0x and 64 hexadecimal digits", ErrSeed)
	}
	return [32]byte(b), nil
}

// normal brings a phrase into the form that go-bip39 expects, and says by its place which word is wrong.
func normal(phrase string) (string, error) {
	if len(phrase) > maxPhrase {
		return "", fmt.Errorf("%w: it has more than %d characters", ErrMnemonic, maxPhrase)
	}
	words := strings.Fields(phrase)
	if n := len(words); n%3 != 0 || n < 12 || n > 24 {
		return "", fmt.Errorf("%w: it has %d words, not 12, 15, 18, 21 or 24", ErrMnemonic, n)
	}
	for i, word := range words {
		if _, ok := bip39.ReverseWordMap[word]; !ok {
			return "", fmt.Errorf("%w: word %d is not in the English list of BIP-39", ErrMnemonic, i+1)
		}
	}
	return strings.Join(words, " "), nil
}

func fromPhrase(phrase, password string) (Keypair, error) {
	seed, err := schnorrkel.SeedFromMnemonic(phrase, password)
	if err != nil {
		return Keypair{}, fmt.Errorf("%w: its checksum is wrong, a word is mistaken or out of place", ErrMnemonic)
	}
	return FromSeed([32]byte(seed[:32]))
}
