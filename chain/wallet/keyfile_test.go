package wallet

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// cheap is the cost of testdata's keyfiles, which testdata/make.py writes with libsodium and python3-cryptography.
var cheap = costs{argonPasses: 3, argonKiB: 64, fernetRounds: 10}

var horse = []byte("correct horse")

func answer(password []byte) Password { return func(string) ([]byte, error) { return password, nil } }

func TestReadKey_opens_the_three_encrypted_forms(t *testing.T) {
	want, err := FromSeed([32]byte(bytes.Repeat([]byte{0x11}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"nacl", "vault", "fernet"} {
		data, err := os.ReadFile(filepath.Join("testdata", form))
		if err != nil {
			t.Fatal(err)
		}
		path := put(t, data)
		if k, err := readKey(path, answer(horse), cheap); err != nil || k.Public() != want.Public() {
			t.Errorf("%s: %v, %v", form, k, err)
		}
		if _, err := readKey(path, answer([]byte("wrong")), cheap); !errors.Is(err, ErrPassword) {
			t.Errorf("%s: %v", form, err)
		}
		if _, err := readKey(path, nil, cheap); !errors.Is(err, ErrLocked) {
			t.Errorf("%s: %v", form, err)
		}
		if _, err := readKey(path, func(string) ([]byte, error) { return nil, fs.ErrClosed }, cheap); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: %v", form, err)
		}
		for _, n := range []int{len(data) / 3, len(data) - 3} {
			if _, err := readKey(put(t, data[:n]), answer(horse), cheap); !errors.Is(err, ErrPassword) && !errors.Is(err, ErrKeyfile) {
				t.Errorf("%s cut to %d: %v", form, n, err)
			}
		}
	}
}

// The full cost takes half a minute and 512 MiB, so it is the constants that are held here: libsodium's crypto_pwhash_argon2i_OPSLIMIT_SENSITIVE
// and _MEMLIMIT_SENSITIVE, and btwallet's rounds. VISION_FULL_COST opens testdata's keyfiles of that cost.
func TestFull_cost_is_that_of_btwallet(t *testing.T) {
	if full != (costs{8, 536870912 / 1024, 10000000}) {
		t.Errorf("%+v", full)
	}
	if os.Getenv("VISION_FULL_COST") == "" {
		return
	}
	for _, form := range []string{"nacl-full", "fernet-full"} {
		data, err := os.ReadFile(filepath.Join("testdata", form))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKey(put(t, data), answer(horse)); err != nil {
			t.Errorf("%s: %v", form, err)
		}
	}
}

func TestReadKey_takes_the_variants_of_plain_keyfiles(t *testing.T) {
	alice, _ := FromURI("//Alice")
	full, err := alice.encode()
	if err != nil {
		t.Fatal(err)
	}
	public := alice.Public()
	point, private := hex.EncodeToString(public[:]), hex.EncodeToString(alice.keys().secret[:])
	seed := hex.EncodeToString(alice.keys().seed)
	for what, text := range map[string]string{
		"ours":           string(full),
		"seed alone":     `{"secretSeed":"0x` + seed + `"}`,
		"no 0x":          `{"secretSeed":"` + seed + `","publicKey":"` + point + `"}`,
		"nulls":          `{"secretPhrase":null,"secretSeed":null,"privateKey":"0x` + private + `","accountId":null}`,
		"private":        `{"privateKey":"` + private + `","ss58Address":"` + alice.Address() + `"}`,
		"private, short": `{"privateKey":"0x` + seed + `"}`,
		"ed25519 form":   `{"privateKey":"0x` + ed25519Form(t, alice) + `","publicKey":"0x` + point + `"}`,
		"unknown field":  `{"secretSeed":"0x` + seed + `","cryptoType":1}`,
	} {
		k, err := ReadKey(put(t, []byte(text)), nil)
		if err != nil || k.Public() != public {
			t.Errorf("%s: %v, %v", what, k, err)
		}
	}
	k, err := ReadKey(put(t, []byte(`{"secretPhrase":"`+leopard+`","ss58Address":"5HDvhV6WDCjCKyrXqGQSDYqQAzkzabNhctmiDYEqgBC66BsX"}`)), nil)
	if err != nil || k.Address() != "5HDvhV6WDCjCKyrXqGQSDYqQAzkzabNhctmiDYEqgBC66BsX" {
		t.Errorf("%v, %v", k, err)
	}
	for what, text := range map[string]string{"bare": "0x" + point, "address": `{"ss58Address":"` + alice.Address() + `"}`, "key": `{"publicKey":"` + point + `"}`} {
		if got, err := ReadPublic(put(t, []byte(text))); err != nil || got != public {
			t.Errorf("%s: %x, %v", what, got, err)
		}
	}
}

func TestReadKey_refuses_malformed_keyfiles_and_quotes_none(t *testing.T) {
	alice, _ := FromURI("//Alice")
	for what, text := range map[string]string{
		"empty": "", "text": "topsecret", "array": `["topsecret"]`, "number": `{"secretSeed":7777777}`, "cut": `{"secretSeed":"topsecret`,
		"seed": `{"secretSeed":"topsecret"}`, "phrase": `{"secretPhrase":"topsecret"}`, "private": `{"privateKey":"0x7777777"}`,
		"zero": `{"privateKey":"` + strings.Repeat("00", 64) + `"}`, "nothing": `{}`, "public alone": `{"ss58Address":"` + alice.Address() + `"}`,
		"address": `{"ss58Address":"topsecret","secretSeed":"0x` + strings.Repeat("11", 32) + `"}`,
		"another": `{"ss58Address":"` + alice.Address() + `","secretSeed":"0x` + strings.Repeat("11", 32) + `"}`,
		"two":     `{"ss58Address":"` + alice.Address() + `","publicKey":"0x` + strings.Repeat("22", 32) + `","secretSeed":"` + strings.Repeat("11", 32) + `"}`,
		"nacl":    "$NACLtopsecret", "vault": "$ANSIBLE_VAULT;1.1;topsecret\n77", "vault body": "$ANSIBLE_VAULT;1.1;AES256\ntopsecret",
		"fernet": "gAAAAAtopsecret",
	} {
		_, err := readKey(put(t, []byte(text)), answer(horse), cheap)
		if !errors.Is(err, ErrKeyfile) {
			t.Errorf("%s: %v", what, err)
			continue
		}
		for _, secret := range []string{"topsecret", "7777777", "11111111", "horse"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	if _, err := ReadPublic(put(t, []byte(`{"secretSeed":"0x11"}`))); !errors.Is(err, ErrKeyfile) {
		t.Error(err)
	}
}

func TestReadKey_refuses_a_file_that_others_can_read_and_says_the_cure(t *testing.T) {
	path := put(t, []byte(`{"secretSeed":"0x`+strings.Repeat("11", 32)+`"}`))
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKey(link, nil); err != nil {
		t.Errorf("a link to a private file: %v", err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{path, link} {
			if _, err := ReadKey(p, nil); !errors.Is(err, ErrMode) || !strings.Contains(err.Error(), "chmod 600 "+p) {
				t.Errorf("%o: %v", mode, err)
			}
		}
	}
}

func TestReadKey_refuses_what_is_large_missing_or_no_file(t *testing.T) {
	if _, err := ReadKey(put(t, make([]byte, MaxKeyfile+1)), nil); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if _, err := ReadKey(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := ReadKey(t.TempDir(), nil); !errors.Is(err, ErrKeyfile) {
		t.Error(err)
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKey(pipe, nil); !errors.Is(err, ErrKeyfile) {
		t.Error(err)
	}
}

func TestSealNACL_makes_what_is_opened_again(t *testing.T) {
	sealed, err := sealNACL(rand.Reader, []byte("plain"), horse, cheap)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := openNACL(sealed, horse, cheap); err != nil || string(plain) != "plain" {
		t.Errorf("%q, %v", plain, err)
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := openNACL(sealed, horse, cheap); !errors.Is(err, ErrPassword) {
		t.Error(err)
	}
	if _, err := sealNACL(strings.NewReader(""), nil, horse, cheap); err == nil {
		t.Error("sealed without random bytes")
	}
}

func FuzzKeyfile(f *testing.F) {
	for _, form := range []string{"nacl", "vault", "fernet"} {
		data, err := os.ReadFile(filepath.Join("testdata", form))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"secretSeed":"0x` + strings.Repeat("11", 32) + `"}`))
	f.Add([]byte(`{"privateKey":"` + strings.Repeat("11", 64) + `","publicKey":"` + strings.Repeat("11", 32) + `"}`))
	f.Add([]byte(`0x` + strings.Repeat("11", 32)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if encrypted(data) {
			opened, err := open(data, horse, costs{1, 8, 1})
			if err != nil && !errors.Is(err, ErrKeyfile) && !errors.Is(err, ErrPassword) {
				t.Error(err)
			}
			data = opened
		}
		if k, err := parseKey(data); err == nil {
			text, err := k.encode()
			if again, parseErr := parseKey(text); err != nil || parseErr != nil || again.Public() != k.Public() {
				t.Errorf("%v, %v", err, parseErr)
			}
		} else if !errors.Is(err, ErrKeyfile) {
			t.Error(err)
		}
		if _, err := parsePublic(data); err != nil && !errors.Is(err, ErrKeyfile) {
			t.Error(err)
		}
	})
}

func put(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ed25519Form is the private key with its scalar times eight, little-endian.
func ed25519Form(t *testing.T, k Keypair) string {
	t.Helper()
	b, carry := k.keys().secret, 0
	for i := range 32 {
		v := int(b[i])<<3 | carry
		b[i], carry = byte(v), v>>8
	}
	if carry != 0 {
		t.Fatal("the scalar is too large to be of that form")
	}
	return hex.EncodeToString(b[:])
}

func TestKeyfile_has_the_fields_of_btwallet(t *testing.T) {
	k, _ := FromMnemonic(leopard)
	text, err := k.encode()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	point := "0xe4359ad3e2716c539a1d663ebd0a51bdc5c98a12e663bb4c4402db47828c9446"
	if got["accountId"] != point || got["publicKey"] != point || got["ss58Address"] != k.Address() || got["secretPhrase"] != leopard ||
		len(got["privateKey"]) != 130 || len(got["secretSeed"]) != 66 || len(got) != 6 {
		t.Errorf("%v", got)
	}
}
