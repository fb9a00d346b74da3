package wallet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ChainSafe/go-schnorrkel"
)

// MaxKeyfile is the largest keyfile in bytes. Those of btwallet have about 600, and as an Ansible vault four times as much.
const MaxKeyfile = 64 << 10

// Password is asked for the password of an encrypted keyfile, by its path. It is not asked where nothing is encrypted. btwallet
// takes white space off both ends of what a person types; so should this.
type Password func(path string) ([]byte, error)

// fields are a keyfile's, as btwallet writes them; every one may be missing or null.
type fields struct {
	AccountID    string `json:"accountId,omitempty"`
	PublicKey    string `json:"publicKey,omitempty"`
	PrivateKey   string `json:"privateKey,omitempty"`
	SecretPhrase string `json:"secretPhrase,omitempty"`
	SecretSeed   string `json:"secretSeed,omitempty"`
	SS58Address  string `json:"ss58Address,omitempty"`
}

// ReadKey reads the key of a keyfile, plain or encrypted. The file, or what a link leads to, must be readable by its owner alone. The
// error wraps ErrMode, ErrTooLarge, ErrLocked, ErrPassword, ErrKeyfile, fs.ErrNotExist or what ask returns, and names the file.
func ReadKey(path string, ask Password) (Keypair, error) { return readKey(path, ask, full) }

func readKey(path string, ask Password, c costs) (Keypair, error) {
	data, err := readFile(path, true)
	if err != nil {
		return Keypair{}, err
	}
	if encrypted(data) {
		if ask == nil {
			return Keypair{}, fmt.Errorf("%s: %w", path, ErrLocked)
		}
		password, err := ask(path)
		if err != nil {
			return Keypair{}, fmt.Errorf("password of %s: %w", path, err)
		}
		if data, err = open(data, password, c); err != nil {
			return Keypair{}, fmt.Errorf("%s: %w", path, err)
		}
	}
	k, err := parseKey(data)
	if err != nil {
		return Keypair{}, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// ReadPublic reads the public key of a keyfile that holds no secret, such as coldkeypub.txt. Who may read the file does not matter.
func ReadPublic(path string) ([32]byte, error) {
	data, err := readFile(path, false)
	if err != nil {
		return [32]byte{}, err
	}
	public, err := parsePublic(data)
	if err != nil {
		return [32]byte{}, fmt.Errorf("%s: %w", path, err)
	}
	return public, nil
}

func readFile(path string, secret bool) (data []byte, err error) {
	// Without O_NONBLOCK a pipe in the keyfile's place would be waited for.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("keyfile: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("keyfile: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: it is no regular file", path, ErrKeyfile)
	}
	if mode := info.Mode().Perm(); secret && mode&0o077 != 0 {
		return nil, fmt.Errorf("%s has mode %04o: %w; chmod 600 %s", path, mode, ErrMode, path)
	}
	if data, err = io.ReadAll(io.LimitReader(file, MaxKeyfile+1)); err != nil {
		return nil, fmt.Errorf("keyfile: %w", err)
	}
	if len(data) > MaxKeyfile {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", path, ErrTooLarge, MaxKeyfile)
	}
	return data, nil
}

func encrypted(data []byte) bool {
	for _, mark := range []string{naclMark, vaultMark, fernetMark} {
		if bytes.HasPrefix(data, []byte(mark)) {
			return true
		}
	}
	return false
}

func open(data, password []byte, c costs) ([]byte, error) {
	switch {
	case bytes.HasPrefix(data, []byte(naclMark)):
		return openNACL(data, password, c)
	case bytes.HasPrefix(data, []byte(vaultMark)):
		return openVault(data, password)
	default:
		return openFernet(data, password, c)
	}
}

// parseKey takes the first of phrase, seed and private key that is there, as btwallet does, and holds it against the public key and the
// address, where those are there.
func parseKey(data []byte) (Keypair, error) {
	f, err := parseFields(data)
	if err != nil {
		return Keypair{}, err
	}
	public, named, err := f.public()
	if err != nil {
		return Keypair{}, err
	}
	var k Keypair
	switch {
	case f.SecretPhrase != "":
		k, err = FromMnemonic(f.SecretPhrase)
	case f.SecretSeed != "":
		var seed [32]byte
		if seed, err = parseSeed(f.SecretSeed); err == nil {
			k, err = FromSeed(seed)
		}
	case f.PrivateKey != "":
		k, err = parsePrivate(f.PrivateKey, public, named)
	default:
		err = errors.New("it has no secretPhrase, secretSeed or privateKey")
	}
	if err != nil {
		return Keypair{}, fmt.Errorf("%w: %w", ErrKeyfile, err)
	}
	if named && k.Public() != public {
		return Keypair{}, fmt.Errorf("%w: its secret is not that of its public key %s", ErrKeyfile, Address(public))
	}
	return k, nil
}

// parsePublic reads the public key alone. The oldest files are 0x and the key, without JSON.
func parsePublic(data []byte) ([32]byte, error) {
	if text := string(bytes.TrimSpace(data)); strings.HasPrefix(text, "0x") {
		return parsePoint(text)
	}
	f, err := parseFields(data)
	if err != nil {
		return [32]byte{}, err
	}
	public, named, err := f.public()
	if err == nil && !named {
		err = fmt.Errorf("%w: it has no publicKey, accountId or ss58Address", ErrKeyfile)
	}
	return public, err
}

func parseFields(data []byte) (f fields, err error) {
	// The decoder's error may quote the file, so it is not passed on.
	if json.Unmarshal(data, &f) != nil {
		return fields{}, fmt.Errorf("%w: it is no JSON object of texts, and not encrypted in a form of btwallet", ErrKeyfile)
	}
	return f, nil
}

// public is the key that the file names, and whether it names one. All that name it must name the same.
func (f fields) public() (public [32]byte, named bool, err error) {
	var all [][32]byte
	for _, s := range []string{f.PublicKey, f.AccountID} {
		if s == "" {
			continue
		}
		p, err := parsePoint(s)
		if err != nil {
			return public, false, err
		}
		all = append(all, p)
	}
	if f.SS58Address != "" {
		p, _, err := ParseAddress(f.SS58Address)
		if err != nil {
			return public, false, fmt.Errorf("%w: %w", ErrKeyfile, err)
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		return public, false, nil
	}
	for _, p := range all {
		if p != all[0] {
			return public, false, fmt.Errorf("%w: its publicKey, accountId and ss58Address are not of one key", ErrKeyfile)
		}
	}
	return all[0], true, nil
}

func parsePoint(s string) ([32]byte, error) {
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil || len(b) != 32 {
		return [32]byte{}, fmt.Errorf("%w: its public key is not 0x and 64 hexadecimal digits", ErrKeyfile)
	}
	return [32]byte(b), nil
}

// parsePrivate reads a seed of 32 bytes, or scalar and nonce of 64. Some tools write the scalar times eight, as ed25519 has it: that is
// taken when it alone makes the public key that the file names.
func parsePrivate(s string, public [32]byte, named bool) (Keypair, error) {
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil || len(b) != 64 && len(b) != 32 {
		return Keypair{}, fmt.Errorf("%w: a private key is 0x and 128 hexadecimal digits", ErrSeed)
	}
	if len(b) == 32 {
		return FromSeed([32]byte(b))
	}
	k, err := fromSecret([64]byte(b))
	if !named || err == nil && k.Public() == public {
		return k, err
	}
	scalar := schnorrkel.NewSecretKeyFromEd25519Bytes([64]byte(b)).Encode()
	if other, otherErr := fromSecret([64]byte(append(scalar[:], b[32:]...))); otherErr == nil && other.Public() == public {
		return other, nil
	}
	return k, err
}

// encode is the whole key as btwallet writes it.
func (k Keypair) encode() ([]byte, error) {
	f := publicFields(k.Public())
	f.PrivateKey = "0x" + hex.EncodeToString(k.keys().secret[:])
	f.SecretPhrase = k.keys().phrase
	if k.keys().seed != nil {
		f.SecretSeed = "0x" + hex.EncodeToString(k.keys().seed)
	}
	return json.Marshal(f)
}

func publicFields(public [32]byte) fields {
	point := "0x" + hex.EncodeToString(public[:])
	return fields{AccountID: point, PublicKey: point, SS58Address: Address(public)}
}

// writeFile makes a file of mode 0600 in one step, and never in the place of another.
func writeFile(path string, data []byte) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("keyfile: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name())) }()
	_, err = file.Write(data)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("keyfile: %w", err)
	}
	// A link is refused where a file is, which a rename is not.
	if err = os.Link(file.Name(), path); errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s: %w", path, ErrExists)
	} else if err != nil {
		return fmt.Errorf("keyfile: %w", err)
	}
	return nil
}
