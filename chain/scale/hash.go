package scale

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/crypto/blake2b"
)

// A Hasher turns the key of a storage map into the end of a storage key (frame-support's StorageHasher; numbered as in the metadata).
type Hasher byte

// The hashers. Those that end in Concat, and Identity, keep the key itself readable behind the hash.
const (
	HashBlake2_128 Hasher = iota
	HashBlake2_256
	HashBlake2_128Concat
	HashTwox128
	HashTwox256
	HashTwox64Concat
	HashIdentity
)

// Key hashes an encoded key.
func (h Hasher) Key(encoded []byte) []byte {
	switch h {
	case HashBlake2_128:
		return Blake2_128(encoded)
	case HashBlake2_256:
		return Blake2_256(encoded)
	case HashBlake2_128Concat:
		return append(Blake2_128(encoded), encoded...)
	case HashTwox128:
		return Twox(encoded, 128)
	case HashTwox256:
		return Twox(encoded, 256)
	case HashTwox64Concat:
		return append(Twox(encoded, 64), encoded...)
	}
	return slices.Clone(encoded)
}

// Prefix is how many bytes of a storage key come before the readable key, and whether there is one.
func (h Hasher) Prefix() (bytes int, readable bool) {
	switch h {
	case HashBlake2_128Concat:
		return 16, true
	case HashTwox64Concat:
		return 8, true
	case HashIdentity:
		return 0, true
	case HashBlake2_128, HashTwox128:
		return 16, false
	}
	return 32, false
}

// Blake2_256 is blake2b of 32 bytes.
func Blake2_256(b []byte) []byte {
	sum := blake2b.Sum256(b)
	return sum[:]
}

// Blake2_128 is blake2b of 16 bytes.
func Blake2_128(b []byte) []byte {
	h, err := blake2b.New(16, nil)
	if err != nil {
		panic(fmt.Sprintf("blake2b of 16 bytes: %v", err)) // it refuses sizes above 64 only
	}
	h.Write(b)
	return h.Sum(nil)
}

// Twox is xxHash64 with the seeds 0, 1 ..., of 64, 128 or 256 bits, little endian (sp-core's twox).
func Twox(b []byte, bits int) []byte {
	var out []byte
	for seed := range uint64(bits / 64) {
		d := xxhash.NewWithSeed(seed)
		d.Write(b)
		out = binary.LittleEndian.AppendUint64(out, d.Sum64())
	}
	return out
}
