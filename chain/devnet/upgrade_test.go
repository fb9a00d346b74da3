package devnet

import (
	"strings"
	"testing"

	"github.com/vision19/vision/chain/devnet/runtime"
)

// spec is the head's spec version, by its runtime and by its state.
func spec(t *testing.T, n *Node) uint32 {
	t.Helper()
	head := n.chain.head
	stated, ok := runtime.SpecOf(&state{head.state})
	if v := head.runtime.Version().SpecVersion; !ok || v != stated {
		t.Errorf("the runtime is %d, its state says %d", v, stated)
	}
	return stated
}

func TestUpgrade_goes_with_its_block_through_forks_and_restarts(t *testing.T) {
	o := Options{State: t.TempDir(), FinalityLag: 3}
	n := start(t, o)
	arm := func() {
		t.Helper()
		if err := n.Fault(Fault{Kind: Upgrade}); err != nil {
			t.Fatal(err)
		}
	}
	build := func() {
		t.Helper()
		if err := n.NewBlock(); err != nil {
			t.Fatal(err)
		}
	}
	restart := func() {
		t.Helper()
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		n = start(t, o)
	}
	for _, step := range []struct {
		name string
		do   func()
		want uint32
	}{
		{"begin", build, 425},
		{"armed, and not built", func() { arm(); restart(); build() }, 425},
		{"armed twice, built once", func() { arm(); arm(); build() }, 426},
		{"forked over", func() {
			if err := n.Fault(Fault{Kind: Fork, Blocks: 1}); err != nil {
				t.Fatal(err)
			}
		}, 425},
		{"forked over, and restarted", restart, 425},
		{"again", func() { arm(); build() }, 426},
		{"restarted", func() { restart(); build() }, 426},
		{"a second one", func() { arm(); build() }, 427},
	} {
		step.do()
		if have := spec(t, n); have != step.want {
			t.Fatalf("%s: %d, want %d", step.name, have, step.want)
		}
	}
}

func TestUpgrade_drops_what_was_signed_for_the_version_before(t *testing.T) {
	n := start(t, Options{})
	c := dial(t, n)
	early, late := pay(t, n, 0, 0, 0, 1000), pay(t, n, 1, 0, 0, 1000)
	c.call("dev_fault", map[string]string{"kind": "upgrade"})
	c.call("author_submitExtrinsic", early) // into the last block of the old runtime
	upgraded := c.call("dev_newBlock")
	want(t, "included", c.call("state_getStorage", key(t, "System", "Account", payee)), holds(1000))
	want(t, "after", c.call("author_submitExtrinsic", late), "1010: Invalid Transaction: Transaction has a bad signature")
	if v := c.call("state_getRuntimeVersion", strings.Trim(upgraded, `"`)); !strings.Contains(v, `"specVersion":426`) {
		t.Error(v)
	}
	if v := c.call("state_getRuntimeVersion", n.chain.genesis.hash); !strings.Contains(v, `"specVersion":425`) {
		t.Error(v)
	}
}

func TestUpgrade_drops_what_waits_in_the_pool(t *testing.T) {
	n := start(t, Options{})
	c := dial(t, n)
	watch := c.call("author_submitAndWatchExtrinsic", pay(t, n, 0, 1, 0, 1000)) // it waits for nonce 0
	want(t, "status", c.next(watch), `"ready"`)
	c.call("dev_fault", map[string]string{"kind": "upgrade"})
	c.call("dev_newBlock", map[string]int{"count": 2})
	want(t, "status", c.next(watch), `"invalid"`)
}
