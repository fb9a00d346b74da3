package devnet

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/vision19/vision/chain/devnet/runtime"
	"github.com/vision19/vision/chain/scale"
	"golang.org/x/crypto/blake2b"
)

// slot is how far the chain's time goes on with each block: subtensor's block time.
const slot = 12 * time.Second

type hash [32]byte

func (h hash) String() string { return hexed(h[:]) }

func (h hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

func hexed(b []byte) string { return "0x" + hex.EncodeToString(b) }

// block is a block and the state after it.
type block struct {
	number            uint32
	parent            hash
	stateRoot, xtRoot hash
	branch            uint32 // forks before it: blocks of two branches differ, even where nothing else does
	extrinsics        [][]byte
	hash              hash
	state             *tree            // nil: no longer known
	runtime           *runtime.Runtime // of the state, so of the next block
}

// seal computes roots and hash.
func (b *block) seal(state *tree) {
	b.state = state
	b.stateRoot = hash(state.root())
	var all []byte
	for _, xt := range b.extrinsics {
		all = scale.AppendBlob(all, xt)
	}
	b.xtRoot = blake2b.Sum256(all)
	b.hash = blake2b.Sum256(b.header())
}

// header is the SCALE form that the hash is of. Source: sp_runtime's generic::Header. The extrinsics' root is a hash of their list, no
// trie's root.
func (b *block) header() []byte {
	h := scale.AppendCompact(b.parent[:len(b.parent):len(b.parent)], uint64(b.number))
	h = append(append(h, b.stateRoot[:]...), b.xtRoot[:]...)
	h = scale.AppendCompact(h, uint64(len(b.digest())))
	for _, d := range b.digest() {
		h = append(h, d...)
	}
	return h
}

// digest has one item, PreRuntime(engine "dvnt", branch).
func (b *block) digest() [][]byte {
	d := append([]byte{6}, "dvnt"...)
	return [][]byte{scale.AppendBlob(d, binary.LittleEndian.AppendUint32(nil, b.branch))}
}

type jsonHeader struct {
	Parent     hash   `json:"parentHash"`
	Number     string `json:"number"`
	StateRoot  hash   `json:"stateRoot"`
	Extrinsics hash   `json:"extrinsicsRoot"`
	Digest     struct {
		Logs []string `json:"logs"`
	} `json:"digest"`
}

func (b *block) json() jsonHeader {
	h := jsonHeader{Parent: b.parent, Number: fmt.Sprintf("0x%x", b.number), StateRoot: b.stateRoot, Extrinsics: b.xtRoot}
	for _, d := range b.digest() {
		h.Digest.Logs = append(h.Digest.Logs, hexed(d))
	}
	return h
}
