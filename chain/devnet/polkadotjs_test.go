package devnet_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision19/vision/chain/devnet"
)

// TestPolkadotJS_reads_the_devnet_and_sets_weights is the proof that the devnet speaks what others speak: everything here but the chain is polkadot.js.
func TestPolkadotJS_reads_the_devnet_and_sets_weights(t *testing.T) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is missing", program)
		}
	}
	wallets := t.TempDir()
	node, err := devnet.Start(t.Context(), devnet.Options{BlockTime: 200 * time.Millisecond, Netuid: 19, Neurons: 4, Tempo: 50, WalletPath: wallets})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	var hotkey struct{ SecretSeed string }
	if b, err := os.ReadFile(filepath.Join(wallets, "dev0", "hotkeys", "default")); err != nil || json.Unmarshal(b, &hotkey) != nil {
		t.Fatal(err)
	}
	folder, err := exec.Command("../../.tools/polkadotjs.sh").Output()
	if err != nil {
		t.Fatalf("install polkadot.js: %v", err)
	}
	run := func(args ...string) (report map[string]any, err error) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "node", append([]string{filepath.Join(strings.TrimSpace(string(folder)), "peer.mjs"), node.Address()}, args...)...)
		out, err := cmd.Output()
		if e := json.Unmarshal(out, &report); e != nil {
			t.Fatalf("%s: %v, %v", out, e, err)
		}
		return report, err
	}
	report, err := run("19", hotkey.SecretSeed)
	if err != nil || report["error"] != nil {
		t.Fatalf("set_weights: %v", report["error"])
	}
	events, _ := report["events"].([]any)
	if !slices.Contains(events, any("subtensorModule.WeightsSet")) {
		t.Errorf("the events are %v", events)
	}
	if report, err = run("19", hotkey.SecretSeed); err == nil || !strings.Contains(report["error"].(string), "TooFast") && !strings.Contains(report["error"].(string), "Custom error: 6") {
		t.Errorf("a second time: %v, %v", report["error"], err)
	}
}
