package wallet

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

const (
	vaultMark  = "$ANSIBLE_VAULT"
	fernetMark = "gAAAAA"
	// vaultRounds is Ansible's, in lib/ansible/parsing/vault.
	vaultRounds = 10_000
	// fernetSalt is that of bittensor before its version 6.
	fernetSalt = "Iguesscyborgslikemyselfhaveatendencytobeparanoidaboutourorigins"
)

// openVault reads $ANSIBLE_VAULT;1.1;AES256, and 1.2 with its label: hexadecimal of three lines, themselves hexadecimal: the salt,
// HMAC-SHA256 of the ciphertext, and the ciphertext in AES-256-CTR with the padding of PKCS 7.
func openVault(data, password []byte) ([]byte, error) {
	broken := func(what string) error { return fmt.Errorf("%w: the Ansible vault's %s", ErrKeyfile, what) }
	header, rest, _ := bytes.Cut(data, []byte("\n"))
	fields := bytes.Split(bytes.TrimSpace(header), []byte(";"))
	if len(fields) < 3 || string(fields[2]) != "AES256" {
		return nil, broken("first line does not name AES256")
	}
	outer, err := hex.DecodeString(string(bytes.Join(bytes.Fields(rest), nil)))
	if err != nil {
		return nil, broken("body is not hexadecimal")
	}
	lines := bytes.Split(outer, []byte("\n"))
	if len(lines) != 3 {
		return nil, broken("body has not three parts")
	}
	var parts [3][]byte
	for i, line := range lines {
		if parts[i], err = hex.DecodeString(string(line)); err != nil {
			return nil, broken("parts are not hexadecimal")
		}
	}
	salt, sum, sealed := parts[0], parts[1], parts[2]
	keys, err := pbkdf2.Key(sha256.New, string(password), salt, vaultRounds, 80)
	if err != nil {
		return nil, fmt.Errorf("PBKDF2: %w", err)
	}
	if !authentic(keys[32:64], sealed, sum) {
		return nil, ErrPassword
	}
	block, err := aes.NewCipher(keys[:32])
	if err != nil {
		return nil, fmt.Errorf("AES: %w", err)
	}
	cipher.NewCTR(block, keys[64:80]).XORKeyStream(sealed, sealed)
	return unpad(sealed)
}

// openFernet reads bittensor's oldest form. The password is stretched by PBKDF2 into a Fernet key: 16 bytes for HMAC-SHA256, 16 for
// AES-128-CBC. Source: https://github.com/fernet/spec. btwallet names this form but opens none, it draws a key of its own.
func openFernet(data, password []byte, c costs) ([]byte, error) {
	token, err := base64.URLEncoding.DecodeString(string(bytes.TrimSpace(data)))
	// A version, a time of 8 bytes, 16 of the first block, at least a block, and 32 of the HMAC.
	if err != nil || len(token) < 1+8+16+16+32 || token[0] != 0x80 || (len(token)-1-8-16-32)%16 != 0 {
		return nil, fmt.Errorf("%w: it is no Fernet token", ErrKeyfile)
	}
	key, err := pbkdf2.Key(sha256.New, string(password), []byte(fernetSalt), c.fernetRounds, 32)
	if err != nil {
		return nil, fmt.Errorf("PBKDF2: %w", err)
	}
	body, sum := token[:len(token)-32], token[len(token)-32:]
	if !authentic(key[:16], body, sum) {
		return nil, ErrPassword
	}
	block, err := aes.NewCipher(key[16:])
	if err != nil {
		return nil, fmt.Errorf("AES: %w", err)
	}
	sealed := body[25:]
	cipher.NewCBCDecrypter(block, body[9:25]).CryptBlocks(sealed, sealed)
	return unpad(sealed)
}

func authentic(key, message, sum []byte) bool {
	mac := hmac.New(sha256.New, key)
	mac.Write(message)
	return hmac.Equal(mac.Sum(nil), sum)
}

// unpad takes off the padding of PKCS 7. What it sees is authentic, so a wrong padding is the writer's fault.
func unpad(b []byte) ([]byte, error) {
	if len(b) == 0 || b[len(b)-1] == 0 || int(b[len(b)-1]) > min(16, len(b)) {
		return nil, fmt.Errorf("%w: its padding is wrong", ErrKeyfile)
	}
	return b[:len(b)-int(b[len(b)-1])], nil
}
