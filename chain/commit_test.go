package chain_test

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"

	"github.com/vision19/vision/chain"
	"github.com/vision19/vision/chain/scale"
	"github.com/vision19/vision/chain/tlock"
)

func TestCommitHash_is_that_of_the_tuple_that_subtensor_hashes(t *testing.T) {
	weights := []chain.Weight{{UID: 0, Value: 65535}, {UID: 3, Value: 30000}}
	tuple := "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d" + "0210" + "0800000300" + "08ffff3075" + "0c010002000300" + "0700000000000000"
	b, err := hex.DecodeString(tuple)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := chain.CommitHash(alice(t), chain.StorageIndex(2, 1), weights, []uint16{1, 2, 3}, 7), chain.Hash(scale.Blake2_256(b)); got != want {
		t.Errorf("the hash is %s, want %s", got, want)
	}
}

func TestTimelockPayload_is_what_subtensor_decodes(t *testing.T) {
	got := chain.TimelockPayload(alice(t), []chain.Weight{{UID: 1, Value: 2}}, 9)
	a := alice(t)
	want := bytes.Join([][]byte{{0x80}, a[:], {4, 1, 0}, {4, 2, 0}, {9, 0, 0, 0, 0, 0, 0, 0}}, nil)
	if !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

func TestEpochs_follow_the_counter_where_the_chain_has_one_and_the_formula_elsewhere(t *testing.T) {
	dynamic := chain.Epochs{Netuid: 19, Block: 105, Tempo: 10, Period: 1, Dynamic: true, Index: 7, Next: 110}
	old := chain.Epochs{Netuid: 2, Block: 105, Tempo: 10, Period: 2}
	oldest := chain.Epochs{Netuid: 2, Block: 105, Tempo: 10, Period: 1, Interval: 20}
	for _, c := range []struct {
		what         string
		e            chain.Epochs
		block, epoch uint64
	}{
		{"before the next", dynamic, 109, 7}, {"its first", dynamic, 110, 8}, {"its last", dynamic, 119, 8}, {"two later", dynamic, 120, 9},
		{"by formula", old, 106, 9}, {"by formula, a first", old, 107, 10}, {"by formula, a last", old, 117, 10},
		{"by interval, a first", oldest, 120, 6}, {"by interval, a last", oldest, 139, 6},
	} {
		if got := c.e.At(c.block); got != c.epoch {
			t.Errorf("%s: block %d is of epoch %d, want %d", c.what, c.block, got, c.epoch)
		}
	}
	for _, c := range []struct {
		e            chain.Epochs
		epoch, first uint64
	}{{dynamic, 8, 110}, {dynamic, 9, 120}, {dynamic, 7, 105}, {old, 10, 107}, {old, 11, 118}, {old, 0, 0}, {oldest, 6, 120}} {
		if got := c.e.First(c.epoch); got != c.first {
			t.Errorf("epoch %d begins at block %d, want %d", c.epoch, got, c.first)
		}
	}
	if got := (chain.Epochs{}).At(100); got != 0 {
		t.Errorf("without a tempo there is epoch %d", got)
	}
}

// By the formula of bittensor-drand 1.2.0: floor((now + (first + 3 - block) * 12 - genesis) / 3).
func TestRevealRound_is_that_of_the_reference(t *testing.T) {
	now := time.Unix(1_760_000_000, 0)
	old := chain.Epochs{Netuid: 19, Block: 6_553_223, Tempo: 360, Period: 1}
	epoch := uint64(6_553_223+19+1) / 361
	first := (epoch+1)*361 - 20
	want := (1_760_000_000 + (int64(first)+3-6_553_223)*12 - 1692803367) / 3
	if got := old.RevealRound(tlock.Quicknet, 6_553_223, now, 12*time.Second); int64(got) != want {
		t.Errorf("round %d, want %d", got, want)
	}
	dynamic := chain.Epochs{Netuid: 19, Block: 1000, Tempo: 100, Period: 2, Dynamic: true, Index: 4, Next: 1050}
	want = (1_760_000_000 + (1150+3-1000)*12 - 1692803367) / 3
	if got := dynamic.RevealRound(tlock.Quicknet, 1001, now, 12*time.Second); int64(got) != want {
		t.Errorf("with a counter of epochs: round %d, want %d", got, want)
	}
}
