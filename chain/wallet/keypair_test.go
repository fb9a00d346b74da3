package wallet

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
)

// leopard is a published test phrase of btwallet and py-substrate-interface.
const leopard = "old leopard transfer rib spatial phone calm indicate online fire caution review"

func TestFromURI_makes_the_published_accounts(t *testing.T) {
	for uri, want := range map[string]string{
		"//Alice":           "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
		"//Bob":             "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty",
		"//Charlie":         "5FLSigC9HGRKVhB9FiEo4Y3koPsNmBmLJbpXg2mp1hXcS59Y",
		"//Dave":            "5DAAnrj7VHTznn2AWBemMuyBwZWs6FNFjdyVXUeYum3PTXFy",
		"//Eve":             "5HGjWAeFDfFCWPsjFQdVV2Msvz2XtMktvgocEZcCj68kUMaw",
		"//Alice//stash":    "5GNJqTPyNqANBkUVMN1LPPrxXnFouWXoe2wNSmmEoLctxiZY",
		"//Bob/test":        "5CJGwWiKXSE16WJaxBdPZhWqUYkotgenLUALv7ZvqQ4TXeqf",
		"/Bob//test":        "5Cwc8tShrshDJUp1P1M21dKUTcYQpV9GcfSa4hUBNmMdV3Cx",
		leopard:             "5HDvhV6WDCjCKyrXqGQSDYqQAzkzabNhctmiDYEqgBC66BsX",
		leopard + "//Alice": "5FEiH8iuDUw271xbqWTWuB6WrDjv5dnCeDX1CyHubAniXDNN",
		leopard + "/Alice":  "5GNXbA46ma5dg19GXdiKi5JH3mnkZ8Yea3bBtZAvj7t99P9i",
		"//PathNameLongerThan32BytesWhichShouldBeHashed":                     "5GR5pfZeNs1uQiSWVxZaQiZou3wdZiX894eqgvfNfHbEh7W2",
		"0xfac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e": "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV",
		"0xe5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a": "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
	} {
		k, err := FromURI(uri)
		if err != nil || k.Address() != want {
			t.Errorf("%s: %v, %v, want %s", uri, k, err, want)
		}
		message := []byte(uri)
		s := k.Sign(message)
		if !Verify(k.Public(), message, s[:]) || Verify(k.Public(), []byte("other"), s[:]) {
			t.Errorf("%s: the signature does not hold", uri)
		}
	}
	k, err := FromURI("//Alice")
	if public := k.Public(); err != nil || hex.EncodeToString(public[:]) != "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d" {
		t.Errorf("%x, %v", public, err)
	}
}

// Vectors of https://github.com/paritytech/substrate-bip39, made with the password Substrate.
func TestFromURI_takes_a_password_as_substrate_bip39_does(t *testing.T) {
	for phrase, want := range map[string]string{
		"abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about": "44e9d125f037ac1d51f0a7d3649689d422c2af8b1ec8e00d71db4d7bf6d127e3",
		"legal winner thank year wave sausage worth useful legal winner thank yellow":                   "4313249608fe8ac10fd5886c92c4579007272cb77c21551ee5b8d60b78041685",
		"zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong":                                             "227d6256fd4f9ccaf06c45eaa4b2345969640462bbb00c5f51f43cb43418c7a7",
		strings.Repeat("zoo ", 23) + "vote":                                                             "047e89ef7739cbfe30da0ad32eb1720d8f62441dd4f139b981b8e2d0bd412ed4",
	} {
		k, err := FromURI(phrase + "///Substrate")
		if err != nil || hex.EncodeToString(k.keys().seed) != want {
			t.Errorf("%.30s: %x, %v", phrase, k.keys().seed, err)
		}
		if k.keys().phrase != "" {
			t.Error("a phrase that needs a password was kept as if it needed none")
		}
	}
}

func TestFromURI_and_FromMnemonic_refuse_what_is_wrong_and_do_not_quote_it(t *testing.T) {
	for uri, want := range map[string]error{
		"/":                                      ErrURI,
		"//":                                     ErrURI,
		"//Alice//":                              ErrURI,
		"0x12//Alice":                            ErrSeed,
		"0x" + strings.Repeat("zz", 32):          ErrSeed,
		"0x" + strings.Repeat("11", 32) + "///p": ErrURI,
		"review":                                 ErrMnemonic,
		strings.Replace(leopard, "fire", "leopard", 1): ErrMnemonic,
		strings.Replace(leopard, "fire", "fyre", 1):    ErrMnemonic,
		leopard + " old":                        ErrMnemonic,
		leopard + " " + leopard + " " + leopard: ErrMnemonic,
		strings.Repeat("//a", 400):              ErrURI,
		strings.Repeat(" ", 600) + leopard:      ErrMnemonic,
	} {
		_, err := FromURI(uri)
		if !errors.Is(err, want) {
			t.Errorf("%.40s: %v, want %v", uri, err, want)
		}
		for _, word := range []string{"leopard", "fyre", "1111", "zzzz"} {
			if err != nil && strings.Contains(err.Error(), word) {
				t.Errorf("%v quotes the secret", err)
			}
		}
	}
	if k, err := FromMnemonic("  " + strings.ReplaceAll(leopard, " ", "\n ")); err != nil || k.keys().phrase != leopard {
		t.Errorf("white space: %v", err)
	}
}

func TestGenerate_makes_phrases_that_are_read_back(t *testing.T) {
	for _, words := range []int{12, 15, 18, 21, 24} {
		phrase, err := Generate(rand.Reader, words)
		if err != nil || len(strings.Fields(phrase)) != words {
			t.Fatalf("%d words: %v", words, err)
		}
		if _, err := FromMnemonic(phrase); err != nil {
			t.Errorf("%d words: %v", words, err)
		}
	}
	zeros, err := Generate(bytes.NewReader(make([]byte, 16)), 12)
	if err != nil || zeros != strings.Repeat("abandon ", 11)+"about" {
		t.Errorf("%q, %v", zeros, err)
	}
	for _, words := range []int{-3, 0, 11, 13, 27} {
		if _, err := Generate(rand.Reader, words); !errors.Is(err, ErrMnemonic) {
			t.Errorf("%d words: %v", words, err)
		}
	}
	if _, err := Generate(strings.NewReader("short"), 12); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

func TestVerify_refuses_what_is_no_signature(t *testing.T) {
	k, _ := FromURI("//Alice")
	bob, _ := FromURI("//Bob")
	s := k.Sign(nil)
	if !Verify(k.Public(), nil, s[:]) {
		t.Error("an empty message")
	}
	unmarked := s
	unmarked[63] &= 0x7f
	for what, bad := range map[string][]byte{"short": s[:63], "nil": nil, "zero": make([]byte, 64), "unmarked": unmarked[:], "ff": bytes.Repeat([]byte{255}, 64)} {
		if Verify(k.Public(), nil, bad) {
			t.Error(what)
		}
	}
	if Verify(bob.Public(), nil, s[:]) || Verify([32]byte{}, nil, s[:]) || Verify([32]byte(bytes.Repeat([]byte{255}, 32)), nil, s[:]) {
		t.Error("another key")
	}
	var none Keypair
	if s := none.Sign(nil); Verify(none.Public(), nil, s[:]) {
		t.Error("the zero Keypair signs")
	}
}

func TestKeypair_prints_as_its_address_in_every_form(t *testing.T) {
	k, err := FromMnemonic(leopard)
	if err != nil {
		t.Fatal(err)
	}
	wallet, hidden := Wallet{Hotkey: k}, struct{ k Keypair }{k}
	keys := Keys{Hotkey: k, Coldkey: k, Password: []byte("leopard")}
	secrets := []string{"leopard", hex.EncodeToString(k.keys().secret[:8]), hex.EncodeToString(k.keys().seed[:8]),
		strings.Trim(fmt.Sprint(k.keys().seed[:4]), "[]"), strings.Trim(fmt.Sprint(k.keys().secret[:4]), "[]"), fmt.Sprint([]byte("leopard"))}
	var log bytes.Buffer
	for _, logger := range []*slog.Logger{slog.New(slog.NewTextHandler(&log, nil)), slog.New(slog.NewJSONHandler(&log, nil))} {
		logger.Info("m", "k", k, "p", &k, "w", wallet, "keys", keys, "h", hidden)
	}
	texts := []string{log.String()}
	for _, v := range []any{k, &k, wallet, &wallet, hidden, keys, []Keypair{k}, map[string]Keypair{"a": k}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			texts = append(texts, fmt.Sprintf(verb, v))
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		texts = append(texts, string(text))
	}
	for _, text := range texts {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %s", text, secret)
			}
		}
	}
	if got := fmt.Sprintf("%+v", k); got != k.Address() {
		t.Error(got)
	}
}

func TestParseAddress_reads_prefixes_of_one_and_two_bytes(t *testing.T) {
	for s, want := range map[string]uint16{
		"5HDvhV6WDCjCKyrXqGQSDYqQAzkzabNhctmiDYEqgBC66BsX": 42,
		"16ADqpMa4yzfmWs3nuTSMhfZ2ckeGtvqhPWCNqECEGDcGgU2": 0,
	} {
		public, prefix, err := ParseAddress(s)
		if err != nil || prefix != want || hex.EncodeToString(public[:]) != "e4359ad3e2716c539a1d663ebd0a51bdc5c98a12e663bb4c4402db47828c9446" {
			t.Errorf("%s: %x, %d, %v", s, public, prefix, err)
		}
	}
	k, _ := FromURI("//Alice")
	for _, prefix := range []uint16{64, 255, 256, 1284, 16383} {
		head := []byte{byte(prefix&0xfc>>2) | 0x40, byte(prefix>>8) | byte(prefix&3)<<6}
		public, got, err := ParseAddress(base58(seal(head, k.Public())))
		if err != nil || got != prefix || public != k.Public() {
			t.Errorf("%d: %d, %v", prefix, got, err)
		}
	}
}

func TestParseAddress_refuses_what_is_wrong(t *testing.T) {
	k, _ := FromURI("//Alice")
	good := k.Address()
	for _, s := range []string{"", "5", good[1:], good + "1", "1" + good, strings.Replace(good, "G", "H", 1), strings.Replace(good, "G", "0", 1),
		strings.Repeat("1", 35), strings.Repeat("z", 1000), " " + good, base58(seal([]byte{0x40 | 10, 0x80}, k.Public())),
		base58(seal([]byte{200}, k.Public()))} {
		if _, _, err := ParseAddress(s); !errors.Is(err, ErrAddress) {
			t.Errorf("%.60q: %v", s, err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("5HDvhV6WDCjCKyrXqGQSDYqQAzkzabNhctmiDYEqgBC66BsX")
	f.Add("16ADqpMa4yzfmWs3nuTSMhfZ2ckeGtvqhPWCNqECEGDcGgU2")
	f.Fuzz(func(t *testing.T, s string) {
		if public, prefix, err := ParseAddress(s); err == nil && prefix == Prefix && Address(public) != s {
			t.Errorf("%q is not the only writing of its key", s)
		}
	})
}

func FuzzFromURI(f *testing.F) {
	for _, s := range []string{"//Alice", leopard + "//1/soft///password", "0x" + strings.Repeat("11", 32), "////", "/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if k, err := FromURI(uri); err == nil && k.Public() == [32]byte{} {
			t.Errorf("%q makes no key", uri)
		}
	})
}

func FuzzFromMnemonic(f *testing.F) {
	f.Add(leopard)
	f.Add(strings.Repeat("abandon ", 24))
	f.Fuzz(func(t *testing.T, phrase string) {
		k, err := FromMnemonic(phrase)
		if err == nil && k.keys().phrase != strings.Join(strings.Fields(phrase), " ") {
			t.Errorf("%q", phrase)
		}
	})
}
