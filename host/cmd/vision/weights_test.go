package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// chainUser is a user with a local chain: its address, and the folder of its wallets.
type chainUser struct {
	*user
	address, wallets string
}

// devnet starts `vision devnet` with fast blocks and short epochs.
func devnet(t testing.TB, args ...string) *chainUser {
	t.Helper()
	u := &chainUser{user: newUser(t, ""), wallets: t.TempDir()}
	p := u.start(t, append([]string{"devnet", "--listen", "127.0.0.1:0", "--block-time", "100ms", "--dev-subnet", "19", "--dev-neurons", "4", "--tempo", "20",
		"--wallet.path", u.wallets}, args...)...)
	p.await(t, &p.stdout, "ws://127.0.0.1:")
	u.address = strings.TrimSpace(p.stdout.String())
	return u
}

// weights runs `vision weights` with the chain and the wallet of a neuron, and returns its exit code and its JSON document.
func (u *chainUser) weights(t testing.TB, uid int, args ...string) (int, map[string]any) {
	t.Helper()
	command := append([]string{"weights"}, args...)
	all := append(command, "--json", "--wallet.path", u.wallets, "--wallet.name", fmt.Sprintf("dev%d", uid))
	if args[0] != "history" {
		all = append(all, "--endpoint", u.address, "--netuid", "19")
	}
	r := u.vision(t, all...)
	if r.stdout == "" {
		t.Fatalf("vision %s: exit code %d\n%s", strings.Join(command, " "), r.code, r.stderr)
	}
	return r.code, object(t, r.stdout)
}

const asked = "1:100,2:200,3:65535"

// held are the weights of that order as `weights show --json` tells them.
var held = []any{[]any{1., 100.}, []any{2., 200.}, []any{3., 65535.}}

// name is that of the first refusal in a document.
func name(t testing.TB, document map[string]any) any {
	t.Helper()
	return first(t, document["refusals"])["name"]
}

func TestWeights_set_reads_back_and_refuses_what_the_chain_would(t *testing.T) {
	u := devnet(t)
	if code, plan := u.weights(t, 0, "plan", "--weights", asked); code != 0 || plan["may_set"] != true || plan["method"] != "direct" || plan["permit"] != true {
		t.Errorf("plan: exit code %d, %v", code, plan)
	}
	if code, out := u.weights(t, 0, "set", "--weights", asked, "--version-key", "0"); code != 1 || name(t, out) != "IncorrectWeightVersionKey" || out["read_back"] != false {
		t.Errorf("with a wrong version key: exit code %d, %v", code, out)
	}
	if code, out := u.weights(t, 0, "set", "--weights", asked, "--version-key", "0", "--force"); code != 1 || name(t, out) != "IncorrectWeightVersionKey" || out["status"] != "failed" {
		t.Errorf("with a wrong version key, from the chain: exit code %d, %v", code, out)
	}
	code, out := u.weights(t, 0, "set", "--weights", asked)
	if code != 0 || out["status"] != "set" || out["method"] != "direct" || out["read_back"] != true || out["block"].(float64) < 1 {
		t.Fatalf("set: exit code %d, %v", code, out)
	}
	if code, shown := u.weights(t, 0, "show"); code != 0 || !reflect.DeepEqual(shown["weights"], any(held)) || shown["uid"] != 0. {
		t.Errorf("show: exit code %d, %v", code, shown)
	}
	if code, shown := u.weights(t, 1, "show", "--uid", "0"); code != 0 || !reflect.DeepEqual(shown["weights"], any(held)) {
		t.Errorf("show --uid: exit code %d, %v", code, shown)
	}
	if code, out := u.weights(t, 0, "set", "--weights", asked); code != 1 || name(t, out) != "SettingWeightsTooFast" {
		t.Errorf("at once again: exit code %d, %v", code, out)
	}
	code, plan := u.weights(t, 0, "plan")
	if code != 0 || plan["may_set"] != false || plan["from_block"] != out["block"].(float64)+100 {
		t.Errorf("plan after it: exit code %d, %v", code, plan)
	}
	code, history := u.weights(t, 0, "history")
	records, _ := history["records"].([]any)
	if code != 0 || len(records) != 2 || first(t, records)["status"] != "failed" || records[1].(map[string]any)["status"] != "set" {
		t.Errorf("history: exit code %d, %v", code, history)
	}
}

func TestWeights_set_commits_and_reveals_where_the_subnet_asks_for_it(t *testing.T) {
	for _, mode := range []string{"v2", "v4"} {
		t.Run(mode, func(t *testing.T) {
			u := devnet(t, "--commit-reveal", mode)
			if code, out := u.weights(t, 0, "set", "--weights", asked, "--method", "direct", "--force"); code != 1 || name(t, out) != "CommitRevealEnabled" {
				t.Errorf("directly: exit code %d, %v", code, out)
			}
			code, out := u.weights(t, 0, "set", "--weights", asked)
			if code != 0 || out["status"] != "set" || out["method"] != mode || out["read_back"] != true {
				t.Fatalf("exit code %d, %v", code, out)
			}
			if _, shown := u.weights(t, 0, "show"); !reflect.DeepEqual(shown["weights"], any(held)) {
				t.Errorf("the chain holds %v", shown)
			}
			code, out = u.weights(t, 1, "set", "--weights", asked, "--no-wait")
			if code != 0 || out["status"] != "committed" || out["read_back"] != false {
				t.Fatalf("--no-wait: exit code %d, %v", code, out)
			}
			if _, plan := u.weights(t, 1, "plan"); plan["pending"] != 1. {
				t.Errorf("plan in between: %v", plan)
			}
			code, out = u.weights(t, 1, "set", "--resume")
			if code != 0 || out["status"] != "set" || out["read_back"] != true {
				t.Errorf("--resume: exit code %d, %v", code, out)
			}
			if code, out = u.weights(t, 1, "set", "--resume"); code != 0 || out["status"] != "nothing" {
				t.Errorf("--resume with nothing open: exit code %d, %v", code, out)
			}
		})
	}
}

func TestMetagraph_shows_the_subnet(t *testing.T) {
	u := devnet(t)
	r := u.works(t, "metagraph", "--json", "--subtensor.chain_endpoint", u.address, "--netuid", "19")
	g := object(t, r.stdout)
	neurons, _ := g["neurons"].([]any)
	if len(neurons) != 4 || g["netuid"] != 19. || g["weights_version"] != 1. {
		t.Fatalf("%v", g)
	}
	if got := keys(t, neurons[0]); got != "active axon coldkey consensus dividends emission hotkey incentive last_update permit registered stake trust uid" {
		t.Errorf("the keys are %s", got)
	}
	if n := first(t, neurons); n["permit"] != true || n["stake"].(float64) <= 0 || n["axon"] != nil {
		t.Errorf("uid 0 is %v", n)
	}
	text := u.works(t, "metagraph", "--endpoint", u.address, "--netuid", "19").stdout
	if !strings.Contains(text, "4 neurons") || strings.Count(text, "true") < 4 {
		t.Errorf("as a table:\n%s", text)
	}
	if r := u.vision(t, "metagraph", "--endpoint", u.address, "--netuid", "77"); r.code != 1 || !strings.Contains(r.stderr, "77") {
		t.Errorf("a subnet that there is not: exit code %d, %s", r.code, r.stderr)
	}
}

func TestWeights_tell_wrong_usage(t *testing.T) {
	u := newUser(t, "")
	wallets := t.TempDir()
	for _, c := range []struct {
		what string
		args []string
		want string
	}{
		{"no weights", []string{"weights", "set"}, "--weights"},
		{"half a weight", []string{"weights", "set", "--weights", "1"}, "UID:VALUE"},
		{"a uid twice", []string{"weights", "set", "--weights", "1:2,1:3"}, "twice"},
		{"only zeros", []string{"weights", "set", "--weights", "1:0"}, "above zero"},
		{"less than nothing", []string{"weights", "set", "--weights", "1:-1"}, "from zero on"},
		{"an unknown method", []string{"weights", "set", "--weights", "1:1", "--method", "v3"}, "auto, direct, v2 or v4"},
		{"weights to resume with", []string{"weights", "set", "--weights", "1:1", "--resume"}, "--resume"},
		{"no wallet", []string{"weights", "set", "--weights", "1:1", "--wallet.path", wallets}, "--wallet.name"},
		{"a name that leads elsewhere", []string{"weights", "set", "--weights", "1:1", "--wallet.path", wallets, "--wallet.name", "../x"}, "--wallet.name"},
		{"an unknown network", []string{"metagraph", "--network", "moon"}, "finney"},
		{"no endpoint", []string{"metagraph", "--endpoint", "localhost"}, "endpoint"},
		{"a block time of nothing", []string{"devnet", "--block-time", "-1s"}, "block"},
		{"an unknown commit-reveal", []string{"devnet", "--commit-reveal", "v3"}, "off, v2 or v4"},
	} {
		if r := u.vision(t, c.args...); r.code != 2 || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%s: exit code %d, %q, want 2 with %q", c.what, r.code, r.stderr, c.want)
		}
	}
}

func TestWallet_makes_and_shows_hotkeys(t *testing.T) {
	u := newUser(t, "")
	const alice = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
	dir := filepath.Join(t.TempDir(), "wallets")
	made := object(t, u.works(t, "wallet", "new-hotkey", "--json", "--wallet.path", dir, "--wallet.name", "v", "--wallet.hotkey", "h", "--coldkey", alice).stdout)
	if words := strings.Fields(made["mnemonic"].(string)); len(words) != 12 {
		t.Errorf("%d words", len(words))
	}
	shown := object(t, u.works(t, "wallet", "inspect", "--json", "--wallet.path", dir, "--wallet.name", "v", "--wallet.hotkey", "h").stdout)
	if shown["hotkey_ss58"] != made["hotkey_ss58"] || shown["coldkey_ss58"] != alice {
		t.Errorf("made %v, shown %v", made, shown)
	}
	file := filepath.Join(dir, "v", "hotkeys", "h")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the hotkey's file: %v, %v", info, err)
	}
	if r := u.vision(t, "wallet", "new-hotkey", "--wallet.path", dir, "--wallet.name", "v", "--wallet.hotkey", "h"); r.code != 2 || !strings.Contains(r.stderr, "exists") {
		t.Errorf("a second time: exit code %d, %s", r.code, r.stderr)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	r := u.vision(t, "wallet", "inspect", "--wallet.path", dir, "--wallet.name", "v", "--wallet.hotkey", "h")
	if r.code != 1 || !strings.Contains(r.stderr, "chmod 600") {
		t.Errorf("a file that others can read: exit code %d, %s", r.code, r.stderr)
	}
	secret := made["mnemonic"].(string)
	if quiet := u.works(t, "wallet", "new-hotkey", "--wallet.path", dir, "--wallet.name", "v", "--wallet.hotkey", "q", "--no-mnemonic"); len(strings.Fields(quiet.stdout+quiet.stderr)) != 1 {
		t.Errorf("--no-mnemonic shows %q, %q", quiet.stdout, quiet.stderr)
	}
	if slices.ContainsFunc([]string{r.stdout, r.stderr}, func(s string) bool { return strings.Contains(s, secret) }) {
		t.Error("the words are shown a second time")
	}
}
