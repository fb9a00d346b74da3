package devnet

import (
	"strings"
	"testing"
	"time"

	"github.com/vision19/vision/chain/scale"
)

func TestSubtensor_is_ready_within_3_seconds_and_makes_blocks(t *testing.T) {
	began := time.Now()
	n, err := Start(t.Context(), Options{Netuid: 19, Neurons: 4, Tempo: 10, CommitReveal: V4, WalletPath: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
	c := dial(t, n)
	meta := c.call("state_getMetadata")
	a := &arguments{}
	if _, err := scale.ParseMetadata(a.hex(strings.Trim(meta, `"`))); err != nil {
		t.Fatal(err)
	}
	c.call("dev_newBlock", map[string]int{"count": 25})
	version := c.call("state_getRuntimeVersion")
	c.call("dev_fault", map[string]string{"kind": "upgrade"})
	c.call("dev_newBlock", map[string]int{"count": 2})
	if number, _, _ := n.Head(); number != 27 {
		t.Errorf("head %d", number)
	}
	if c.call("state_getRuntimeVersion") == version || c.call("state_getMetadata") == meta {
		t.Error("the upgrade changed nothing")
	}
	want(t, "junk", c.call("author_submitExtrinsic", "0x00"), "1010: Invalid Transaction: Transaction call is not expected")
}
