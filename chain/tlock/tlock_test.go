package tlock

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
)

// published is quicknet's signature of round 1000.
var published = fromHex("b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39")

func TestDecrypt_opens_what_the_Rust_implementation_made(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "data", "chain")
	file, err := os.ReadFile(filepath.Join(dir, "tlock-vector-round1000.json"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("no folder shared/data: what others encrypted is not tested; the round trips are")
	}
	if err != nil {
		t.Fatal(err)
	}
	var vector struct {
		Plaintext  string
		Signature  string `json:"sig"`
		Ciphertext string `json:"ciphertext_rev5416406"`
	}
	if err := json.Unmarshal(file, &vector); err != nil {
		t.Fatal(err)
	}
	got, err := Decrypt(decode(t, vector.Ciphertext), decode(t, vector.Signature))
	if err != nil || string(got) != vector.Plaintext {
		t.Errorf("%q, %v", got, err)
	}
}

func TestEncrypt_makes_what_the_published_signature_opens(t *testing.T) {
	for _, n := range []int{0, 1, 1300, MaxPlaintext} {
		plaintext := bytes.Repeat([]byte{7}, n)
		c, err := Quicknet.Encrypt(rand.Reader, 1000, plaintext)
		if err != nil || len(c) != n+Overhead {
			t.Fatalf("%d bytes for %d: %v", len(c), n, err)
		}
		if got, err := Decrypt(c, published); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestVerify_knows_the_round_and_the_beacon_of_a_signature(t *testing.T) {
	if err := Quicknet.Verify(1000, published); err != nil {
		t.Error(err)
	}
	if err := Quicknet.Verify(1001, published); !errors.Is(err, ErrSignature) {
		t.Error(err)
	}
	own := signer(t)
	mine, err := own.Sign(1000)
	if err != nil {
		t.Fatal(err)
	}
	if err := own.Beacon().Verify(1000, mine); err != nil {
		t.Error(err)
	}
	if err := Quicknet.Verify(1000, mine); !errors.Is(err, ErrSignature) {
		t.Error(err)
	}
	if err := (Beacon{}).Verify(1000, mine); !errors.Is(err, ErrKey) {
		t.Error(err)
	}
}

func TestSigner_opens_what_was_encrypted_for_its_rounds_alone(t *testing.T) {
	own := signer(t)
	c, err := own.Beacon().Encrypt(rand.Reader, 7, []byte("weights"))
	if err != nil {
		t.Fatal(err)
	}
	for round, want := range map[uint64]error{6: ErrOpen, 7: nil, 8: ErrOpen} {
		signature, err := own.Sign(round)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Decrypt(c, signature); !errors.Is(err, want) || want == nil && string(got) != "weights" {
			t.Errorf("round %d: %q, %v", round, got, err)
		}
	}
	if _, err := Decrypt(c, published); !errors.Is(err, ErrOpen) {
		t.Error(err)
	}
}

func TestDecrypt_refuses_every_changed_byte_and_every_cut(t *testing.T) {
	c, err := Quicknet.Encrypt(rand.Reader, 1000, []byte("weights"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range c {
		if i > 3 && i < 90 && i%16 != 0 || i > 105 && i < 130 && i%8 != 0 {
			continue // points and masks: each costs a pairing
		}
		changed := bytes.Clone(c)
		changed[i] ^= 1
		if _, err := Decrypt(changed, published); !errors.Is(err, ErrOpen) && !errors.Is(err, ErrCiphertext) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
	for n := range c {
		if _, err := Decrypt(c[:n], published); !errors.Is(err, ErrCiphertext) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := Decrypt(append(bytes.Clone(c), 0), published); !errors.Is(err, ErrCiphertext) {
		t.Error(err)
	}
	if _, err := Decrypt(make([]byte, MaxCiphertext+1), published); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
}

func TestDecrypt_refuses_a_declared_length_that_is_not_there(t *testing.T) {
	c, err := Quicknet.Encrypt(rand.Reader, 1000, []byte("weights"))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{96, 136, 176, 184, len(c) - 16 - 20, len(c) - 16} {
		for _, n := range []uint64{0, 1 << 31, 1<<64 - 1} {
			changed := bytes.Clone(c)
			binary.LittleEndian.PutUint64(changed[at:], n)
			if _, err := Decrypt(changed, published); !errors.Is(err, ErrCiphertext) {
				t.Errorf("%d at %d: %v", n, at, err)
			}
		}
	}
}

func TestPoints_at_infinity_and_outside_the_subgroup_are_refused(t *testing.T) {
	c, err := Quicknet.Encrypt(rand.Reader, 1000, []byte("weights"))
	if err != nil {
		t.Fatal(err)
	}
	var none1 bls.G1Affine
	var none2 bls.G2Affine
	in1, in2 := none1.Bytes(), none2.Bytes()
	for what, s := range map[string][]byte{
		"infinity": in1[:], "outside": outside1(t), "short": published[:47], "long": append(bytes.Clone(published), 0), "nil": nil,
		"zeros": make([]byte, 48), "not compressed": append([]byte{published[0] & 0x1f}, published[1:]...),
	} {
		if err := Quicknet.Verify(1000, s); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := Decrypt(c, s); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, u := range map[string][]byte{"infinity": in2[:], "outside": outside2(t), "zeros": make([]byte, 96)} {
		if _, err := Decrypt(append(bytes.Clone(u), c[96:]...), published); !errors.Is(err, ErrCiphertext) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := (Beacon{Key: [96]byte(u)}).Encrypt(rand.Reader, 1, nil); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestEncrypt_refuses_what_is_too_long_and_a_reader_that_ends(t *testing.T) {
	if _, err := Quicknet.Encrypt(rand.Reader, 1, make([]byte, MaxPlaintext+1)); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
	if _, err := Quicknet.Encrypt(strings.NewReader("too few"), 1, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

func TestRounds_and_times_agree(t *testing.T) {
	b := Beacon{Genesis: 1000, Period: 3}
	for at, want := range map[int64]uint64{-5: 0, 999: 0, 1000: 1, 1002: 1, 1003: 2, 1300: 101} {
		if got := b.Round(time.Unix(at, 0)); got != want {
			t.Errorf("round at %d: %d, want %d", at, got, want)
		}
	}
	for _, round := range []uint64{1, 2, 1000, 30_000_000} {
		at := Quicknet.Time(round)
		if got := Quicknet.Round(at); got != round {
			t.Errorf("round %d is at %v, where round %d is", round, at, got)
		}
		if got := Quicknet.Round(at.Add(-time.Nanosecond)); got != round-1 {
			t.Errorf("just before round %d is round %d", round, got)
		}
	}
	for _, round := range []uint64{1 << 40, 1 << 63, 1<<64 - 1} {
		if y := Quicknet.Time(round).Year(); y != 9999 {
			t.Errorf("round %d is in year %d", round, y)
		}
	}
	if got := (Beacon{}).Round(time.Unix(5, 0)); got != 0 {
		t.Error(got)
	}
}

func TestSigner_refuses_no_period_and_shows_no_key(t *testing.T) {
	if _, err := NewSigner(nil, 0, 0); err == nil {
		t.Error("no period was taken")
	}
	s := signer(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, s); strings.Contains(text, s.secret.String()) || strings.Contains(text, s.secret.Text(16)) {
			t.Error(text)
		}
	}
}

func FuzzDecrypt(f *testing.F) {
	c, err := Quicknet.Encrypt(rand.Reader, 1000, []byte("weights"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c, published)
	f.Add(c[:200], published)
	f.Add(c, []byte{})
	f.Fuzz(func(t *testing.T, c, signature []byte) {
		if plaintext, err := Decrypt(c, signature); err == nil && len(plaintext) != len(c)-Overhead {
			t.Errorf("%d bytes of %d", len(plaintext), len(c))
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add(uint64(1000), published)
	f.Add(uint64(0), make([]byte, 48))
	f.Fuzz(func(t *testing.T, round uint64, signature []byte) {
		err := Quicknet.Verify(round, signature)
		if right := round == 1000 && bytes.Equal(signature, published); right != (err == nil) {
			t.Errorf("round %d, %x: %v", round, signature, err)
		}
	})
}

func decode(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func signer(t *testing.T) *Signer {
	t.Helper()
	s, err := NewSigner([]byte("devnet"), 1000, 3)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// outside1 is a point of the curve of G1, y^2 = x^3 + 4, outside its subgroup.
func outside1(t *testing.T) []byte {
	for x := uint64(1); x < 1000; x++ {
		var p bls.G1Affine
		var square, four fp.Element
		p.X.SetUint64(x)
		four.SetUint64(4)
		square.Square(&p.X).Mul(&square, &p.X).Add(&square, &four)
		if p.Y.Sqrt(&square) != nil && p.IsOnCurve() && !p.IsInSubGroup() {
			b := p.Bytes()
			return b[:]
		}
	}
	t.Fatal("no such point")
	return nil
}

// outside2 is a point of the curve of G2, y^2 = x^3 + 4(1+u), outside its subgroup.
func outside2(t *testing.T) []byte {
	for x := uint64(1); x < 1000; x++ {
		var p bls.G2Affine
		var square, four bls.E2
		p.X.A0.SetUint64(x)
		four.A0.SetUint64(4)
		four.A1.SetUint64(4)
		square.Square(&p.X).Mul(&square, &p.X).Add(&square, &four)
		if square.Legendre() != 1 {
			continue
		}
		if p.Y.Sqrt(&square); p.IsOnCurve() && !p.IsInSubGroup() {
			b := p.Bytes()
			return b[:]
		}
	}
	t.Fatal("no such point")
	return nil
}
