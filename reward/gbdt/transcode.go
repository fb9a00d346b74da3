package gbdt

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// The sizes in bytes of XGBoost's structures, as leaves' internal/xgbin reads them: little-endian, without padding. Of each only the first
// fields are used; the rest, "reserved" and what was of use in training, is 0.
const (
	learnerSize = 136 // base_score float32, num_feature uint32, ...
	gbtreeSize  = 160 // num_trees, num_roots, num_feature int32, ..., at groupsAt num_output_group int32, size_leaf_vector int32, ...
	groupsAt    = 24
	treeSize    = 148 // num_roots, num_nodes, num_deleted, max_depth, num_feature, size_leaf_vector int32, ...
	nodeSize    = 20  // parent, cleft, cright int32, sindex uint32, threshold or leaf value float32
	statSize    = 16
)

// leafChild is the child of a leaf.
const leafChild = math.MaxUint32 // -1

// objective is the only one that leaves has a transformation for.
const objective = "binary:logistic"

func (f *forest) booster() string {
	if f.dart {
		return "dart"
	}
	return "gbtree"
}

// margin is the logit of base_score, which XGBoost takes in float32 too (ProbToMargin in src/objective).
func (f *forest) margin() float32 {
	p := float64(f.base)
	return float32(math.Log(p / (1 - p)))
}

// below is the greatest float32 under t, for which x <= below(t) is x < t for every float32 x. Under the lowest it is -Inf.
func below(t float32) float32 { return math.Nextafter32(t, float32(math.Inf(-1))) }

// transcode writes the model for leaves.
func (f *forest) transcode() []byte {
	b := make([]byte, 0, f.size())
	u32 := binary.LittleEndian.AppendUint32
	pad := func(size int, fields ...uint32) {
		for _, v := range fields {
			b = u32(b, v)
		}
		b = append(b, make([]byte, size-4*len(fields))...)
	}
	text := func(s string) { b = append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...) }

	trees, features := uint32(len(f.trees)), uint32(f.features)
	pad(learnerSize, math.Float32bits(f.margin()), features)
	text(objective)
	text(f.booster())
	pad(gbtreeSize, trees, 1, features, 0, 0, 0, 1)
	for _, t := range f.trees {
		pad(treeSize, 1, uint32(len(t)), 0, 0, features)
		for _, n := range t {
			if n.left == 0 {
				pad(nodeSize, 0, leafChild, leafChild, 0, math.Float32bits(n.value))
				continue
			}
			split := uint32(n.feature)
			if n.defaultLeft {
				split |= 1 << 31
			}
			pad(nodeSize, 0, uint32(n.left), uint32(n.right), split, math.Float32bits(below(n.value)))
		}
		pad(len(t) * statSize)
	}
	pad(4 * len(f.trees)) // tree_info: all of the first output
	if f.dart {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(f.weights)))
		for _, w := range f.weights {
			b = u32(b, math.Float32bits(w))
		}
	}
	return b
}

// size is how long the transcoded model is.
func (f *forest) size() int {
	n := learnerSize + 8 + len(objective) + 8 + len(f.booster()) + gbtreeSize
	for _, t := range f.trees {
		n += treeSize + len(t)*(nodeSize+statSize) + 4
	}
	if f.dart {
		n += 8 + 4*len(f.weights)
	}
	return n
}

// inspect reads back what leaves will believe of b: every length, count and divisor. It is the last line: what is wrong there ends the
// program, and no recover helps.
func (f *forest) inspect(b []byte) error {
	if len(b) != f.size() {
		return damaged("length")
	}
	take := func(size int) (s []byte) { // never beyond the end: all sizes together are f.size()
		s, b = b[:size], b[size:]
		return s
	}
	u32 := func(s []byte, at int) int { return int(binary.LittleEndian.Uint32(s[at:])) }
	count := func() uint64 { return binary.LittleEndian.Uint64(take(8)) }
	text := func(s string) bool { return count() == uint64(len(s)) && string(take(len(s))) == s }

	if h := take(learnerSize); u32(h, 0) != int(math.Float32bits(f.margin())) || u32(h, 4) != f.features {
		return damaged("header")
	}
	if !text(objective) || !text(f.booster()) {
		return damaged("names")
	}
	if g := take(gbtreeSize); u32(g, 0) != len(f.trees) || u32(g, 4) != 1 || u32(g, 8) != f.features || u32(g, groupsAt) != 1 || u32(g, groupsAt+4) != 0 {
		return damaged("counts")
	}
	for _, t := range f.trees {
		if p := take(treeSize); u32(p, 0) != 1 || u32(p, 4) != len(t) || u32(p, 16) != f.features || u32(p, 20) != 0 {
			return damaged("tree")
		}
		take(len(t) * (nodeSize + statSize))
	}
	if slices.ContainsFunc(take(4*len(f.trees)), func(x byte) bool { return x != 0 }) {
		return damaged("outputs")
	}
	if f.dart && count() != uint64(len(f.trees)) {
		return damaged("weights")
	}
	return nil
}

func damaged(what string) error { return fmt.Errorf("the transcoded model is damaged: %s", what) }
