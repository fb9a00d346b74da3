package devnet

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vision19/vision/chain/wallet"
	"golang.org/x/crypto/blake2b"
)

// keys are the genesis neurons', by uid. All follow from the chain's seed, so that a restart has the same.
type keys struct {
	seed      [32]byte
	hot, cold []wallet.Keypair
}

func (k keys) derive(purpose string, uid int) [32]byte {
	b := append(k.seed[:len(k.seed):len(k.seed)], purpose...)
	return blake2b.Sum256(binary.LittleEndian.AppendUint32(b, uint32(uid)))
}

func deriveKeys(seed [32]byte, neurons int) (keys, error) {
	k := keys{seed: seed}
	for uid := range neurons {
		hot, err := wallet.FromSeed(k.derive("hotkey", uid))
		if err != nil {
			return k, fmt.Errorf("hotkey of uid %d: %w", uid, err)
		}
		cold, err := wallet.FromSeed(k.derive("coldkey", uid))
		if err != nil {
			return k, fmt.Errorf("coldkey of uid %d: %w", uid, err)
		}
		k.hot, k.cold = append(k.hot, hot), append(k.cold, cold)
	}
	return k, nil
}

// write makes DIR/dev<uid> with hotkey default, and DIR/default for uid 0 unless there is one, which is its owner's and stays as it is. A
// dev<uid> that is there must have the same keys.
func (k keys) write(dir string) error {
	for uid := range k.hot {
		if err := k.writeOne(dir, fmt.Sprintf("dev%d", uid), uid); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "default")); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return k.writeOne(dir, "default", 0)
}

func (k keys) writeOne(dir, name string, uid int) error {
	cold := k.cold[uid].Public()
	have, err := wallet.Open(dir, name, "default", nil)
	switch {
	case err == nil && have.Hotkey.Public() == k.hot[uid].Public() && have.Coldkey == cold:
		return nil
	case err == nil:
		err = wallet.ErrExists
	case errors.Is(err, fs.ErrNotExist):
		err = wallet.Write(rand.Reader, dir, name, "default", wallet.Keys{Hotkey: k.hot[uid], ColdkeyPublic: &cold})
	}
	if err != nil {
		return fmt.Errorf("wallet %s: %w; if it is another chain's, move it away or choose another folder", filepath.Join(dir, name), err)
	}
	return nil
}
