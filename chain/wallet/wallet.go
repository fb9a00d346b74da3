package wallet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxName bounds a wallet's and a hotkey's name, so that a file's name stays below 255 bytes with what is added to it.
const maxName = 64

// Wallet is what a validator or miner needs of DIR/NAME: the coldkey's public half, for which no secret is read, and a hotkey that signs.
type Wallet struct {
	Coldkey [32]byte
	Hotkey  Keypair
}

// DefaultDir is where btwallet keeps wallets: ~/.bittensor/wallets.
func DefaultDir() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("folder of the wallets: %w", err)
	}
	return filepath.Join(home, ".bittensor", "wallets"), nil
}

// Open reads DIR/NAME/coldkeypub.txt and DIR/NAME/hotkeys/HOTKEY; the coldkey's own file is not touched. ask may be nil, and is called
// only for an encrypted hotkey. Errors are those of ReadKey, or wrap ErrName.
func Open(dir, name, hotkey string, ask Password) (Wallet, error) {
	p, err := files(dir, name, hotkey)
	if err != nil {
		return Wallet{}, err
	}
	cold, err := ReadPublic(p.coldpub)
	if err != nil {
		return Wallet{}, fmt.Errorf("wallet %s: %w", name, err)
	}
	hot, err := ReadKey(p.hot, ask)
	if err != nil {
		return Wallet{}, fmt.Errorf("wallet %s, hotkey %s: %w", name, hotkey, err)
	}
	return Wallet{Coldkey: cold, Hotkey: hot}, nil
}

// Create draws a new hotkey with a mnemonic of 12 words, writes it, unencrypted, and returns the mnemonic, to be shown once and kept
// nowhere. Where coldkey, an address, is not empty, coldkeypub.txt is written too, or must name that address already. The error wraps
// ErrExists, ErrName, ErrAddress or ErrKeyfile.
func Create(random io.Reader, dir, name, hotkey, coldkey string) (mnemonic string, key Keypair, err error) {
	keys := Keys{}
	if coldkey != "" {
		public, _, err := ParseAddress(coldkey)
		if err != nil {
			return "", Keypair{}, fmt.Errorf("coldkey: %w", err)
		}
		keys.ColdkeyPublic = &public
	}
	if mnemonic, err = Generate(random, 12); err != nil {
		return "", Keypair{}, err
	}
	if keys.Hotkey, err = FromMnemonic(mnemonic); err != nil {
		return "", Keypair{}, err
	}
	if err := Write(random, dir, name, hotkey, keys); err != nil {
		return "", Keypair{}, err
	}
	return mnemonic, keys.Hotkey, nil
}

// Keys are what Write writes.
type Keys struct {
	// Hotkey is written unencrypted, as validators and miners need it without a person.
	Hotkey Keypair
	// ColdkeyPublic is written as coldkeypub.txt, when it is not nil.
	ColdkeyPublic *[32]byte
	// Coldkey, when it is not zero, is written as coldkey, and its public half as coldkeypub.txt.
	Coldkey Keypair
	// Password encrypts the coldkey as $NACL, which takes seconds and 512 MiB of memory; empty leaves it plain.
	Password []byte
}

// String leaves out the password.
func (k Keys) String() string { return "hotkey " + k.Hotkey.Address() }

// Format writes String, whatever the verb.
func (k Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalText is String.
func (k Keys) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Write makes a wallet, or a hotkey in one that is there. Folders get mode 0700, files 0600. No file is overwritten; a coldkeypub.txt
// that is there must name the coldkey. The error wraps ErrExists, ErrName or ErrKeyfile.
func Write(random io.Reader, dir, name, hotkey string, keys Keys) error {
	return write(random, dir, name, hotkey, keys, full)
}

func write(random io.Reader, dir, name, hotkey string, keys Keys, c costs) error {
	p, err := files(dir, name, hotkey)
	if err != nil {
		return err
	}
	if keys.Hotkey.keys == nil {
		return fmt.Errorf("%w: there is no hotkey to write", ErrKeyfile)
	}
	cold := keys.ColdkeyPublic
	if keys.Coldkey.keys != nil {
		public := keys.Coldkey.Public()
		if cold != nil && *cold != public {
			return fmt.Errorf("%w: the coldkey is not that of %s", ErrKeyfile, Address(*cold))
		}
		cold = &public
	}
	type content struct {
		path string
		data []byte
	}
	var contents []content
	if cold != nil {
		have, err := ReadPublic(p.coldpub)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			data, err := json.Marshal(publicFields(*cold))
			if err != nil {
				return fmt.Errorf("coldkeypub: %w", err)
			}
			contents = append(contents, content{p.coldpub, data})
		case err != nil:
			return err
		case have != *cold:
			return fmt.Errorf("%s: %w: it is there and names %s, not %s", p.coldpub, ErrKeyfile, Address(have), Address(*cold))
		}
	}
	if keys.Coldkey.keys != nil {
		data, err := keys.Coldkey.encode()
		if err != nil {
			return fmt.Errorf("coldkey: %w", err)
		}
		if len(keys.Password) > 0 {
			if data, err = sealNACL(random, data, keys.Password, c); err != nil {
				return err
			}
		}
		contents = append(contents, content{p.cold, data})
	}
	hot, err := keys.Hotkey.encode()
	if err != nil {
		return fmt.Errorf("hotkey: %w", err)
	}
	hotpub, err := json.Marshal(publicFields(keys.Hotkey.Public()))
	if err != nil {
		return fmt.Errorf("hotkeypub: %w", err)
	}
	contents = append(contents, content{p.hot, hot}, content{p.hotpub, hotpub})
	// All are looked for before the first is written, so that a refusal leaves nothing behind.
	for _, f := range contents {
		if _, err := os.Lstat(f.path); err == nil {
			return fmt.Errorf("%s: %w", f.path, ErrExists)
		}
	}
	if err := os.MkdirAll(filepath.Dir(p.hot), 0o700); err != nil {
		return fmt.Errorf("wallet %s: %w", name, err)
	}
	for _, f := range contents {
		if err := writeFile(f.path, f.data); err != nil {
			return err
		}
	}
	return nil
}

type paths struct{ cold, coldpub, hot, hotpub string }

// files are a wallet's. Source: btwallet, src/wallet.rs.
func files(dir, name, hotkey string) (paths, error) {
	for _, s := range []string{name, hotkey} {
		if s == "" || len(s) > maxName || strings.HasPrefix(s, ".") || strings.ContainsAny(s, "/\\\x00") {
			return paths{}, fmt.Errorf("%w: %.80q; a name has 1 to %d characters, no slash and no leading dot", ErrName, s, maxName)
		}
	}
	root := filepath.Join(dir, name)
	hot := filepath.Join(root, "hotkeys", hotkey)
	return paths{filepath.Join(root, "coldkey"), filepath.Join(root, "coldkeypub.txt"), hot, hot + "pub.txt"}, nil
}
