package wallet

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCreate_makes_a_hotkey_that_Open_reads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "wallets")
	alice, _ := FromURI("//Alice")
	mnemonic, key, err := Create(rand.Reader, dir, "miner", "h1", alice.Address())
	if err != nil {
		t.Fatal(err)
	}
	w, err := Open(dir, "miner", "h1", nil)
	if err != nil || w.Hotkey.Public() != key.Public() || w.Coldkey != alice.Public() {
		t.Errorf("%v, %v", w, err)
	}
	if again, err := FromMnemonic(mnemonic); err != nil || again.Public() != key.Public() {
		t.Errorf("%v, %v", again, err)
	}
	for path, want := range map[string]os.FileMode{"": 0o700, "miner": 0o700, "miner/hotkeys": 0o700, "miner/coldkeypub.txt": 0o600,
		"miner/hotkeys/h1": 0o600, "miner/hotkeys/h1pub.txt": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if _, _, err := Create(rand.Reader, dir, "miner", "h1", ""); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	if again, err := Open(dir, "miner", "h1", nil); err != nil || again.Hotkey.Public() != key.Public() {
		t.Errorf("the first hotkey is gone: %v, %v", again, err)
	}
	if _, _, err := Create(rand.Reader, dir, "miner", "h2", alice.Address()); err != nil {
		t.Errorf("a second hotkey: %v", err)
	}
	bob, _ := FromURI("//Bob")
	if _, _, err := Create(rand.Reader, dir, "miner", "h3", bob.Address()); !errors.Is(err, ErrKeyfile) {
		t.Errorf("a second coldkey: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "miner", "hotkeys", "*")); err != nil || len(left) != 4 {
		t.Errorf("%v, %v", left, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "miner", "hotkeys", ".*")); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestOpen_reads_no_coldkey_and_asks_for_no_password_without_need(t *testing.T) {
	dir := t.TempDir()
	alice, _ := FromURI("//Alice")
	bob, _ := FromURI("//Bob")
	if err := Write(rand.Reader, dir, "w", "h", Keys{Hotkey: bob, Coldkey: alice}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "w", "coldkey"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	never := func(string) ([]byte, error) { t.Error("asked"); return nil, nil }
	if w, err := Open(dir, "w", "h", never); err != nil || w.Coldkey != alice.Public() || w.Hotkey.Public() != bob.Public() {
		t.Errorf("%v, %v", w, err)
	}
	if _, err := Open(dir, "w", "other", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestWrite_encrypts_the_coldkey_that_ReadKey_opens(t *testing.T) {
	dir := t.TempDir()
	alice, _ := FromURI("//Alice")
	bob, _ := FromURI("/soft")
	if err := write(rand.Reader, dir, "w", "h", Keys{Hotkey: bob, Coldkey: alice, Password: horse}, cheap); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "w", "coldkey")
	if k, err := readKey(path, answer(horse), cheap); err != nil || k.Public() != alice.Public() {
		t.Errorf("%v, %v", k, err)
	}
	if data, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(data), "$NACL") {
		t.Errorf("%.5q, %v", data, err)
	}
	if w, err := Open(dir, "w", "h", nil); err != nil || w.Hotkey.Public() != bob.Public() {
		t.Errorf("a key of a soft junction: %v, %v", w, err)
	}
}

func TestWrite_refuses_and_leaves_nothing_behind(t *testing.T) {
	dir := t.TempDir()
	alice, _ := FromURI("//Alice")
	bob, _ := FromURI("//Bob")
	public := bob.Public()
	for what, c := range map[string]struct {
		name, hotkey string
		keys         Keys
		want         error
	}{
		"up":           {"..", "h", Keys{Hotkey: alice}, ErrName},
		"slash":        {"w", "a/b", Keys{Hotkey: alice}, ErrName},
		"backslash":    {"w", `a\b`, Keys{Hotkey: alice}, ErrName},
		"empty":        {"w", "", Keys{Hotkey: alice}, ErrName},
		"long":         {strings.Repeat("w", 65), "h", Keys{Hotkey: alice}, ErrName},
		"no hotkey":    {"w", "h", Keys{}, ErrKeyfile},
		"two coldkeys": {"w", "h", Keys{Hotkey: alice, Coldkey: alice, ColdkeyPublic: &public}, ErrKeyfile},
	} {
		if err := Write(rand.Reader, dir, c.name, c.hotkey, c.keys); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, _, err := Create(rand.Reader, dir, "w", "h", "5Bad"); !errors.Is(err, ErrAddress) {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
	if _, err := Open(dir, "../w", "h", nil); !errors.Is(err, ErrName) {
		t.Error(err)
	}
}

func TestDefaultDir_is_that_of_btwallet(t *testing.T) {
	t.Setenv("HOME", "/home/someone")
	if dir, err := DefaultDir(); err != nil || dir != "/home/someone/.bittensor/wallets" {
		t.Errorf("%s, %v", dir, err)
	}
}
