package runtime

import (
	"fmt"
	"slices"
	"testing"

	"github.com/vision19/vision/chain/scale"
)

// second is where the storage has mechanism 1 of the subnet.
const second = 4096 + testNetuid

func TestMechanisms_have_weights_rates_and_commits_of_their_own(t *testing.T) {
	c := begin(t, nil)
	s := c.state()
	set := func(mecid int) func() string {
		return func() string {
			return c.submit(c.keys[0], c.call("SubtensorModule", "set_mechanism_weights", "netuid", 1, "mecid", mecid, "dests", []uint16{1, 2 + uint16(mecid)}, "weights", []uint16{1, 1}, "version_key", 1))
		}
	}
	v := reveal{[]uint16{4}, []uint16{65535}, []uint16{9}, 1}
	who := c.keys[1].Public()
	commit := func(call string, pairs ...any) func() string {
		return func() string {
			return c.submit(c.keys[1], c.call("SubtensorModule", call, append([]any{"netuid", 1}, pairs...)...))
		}
	}
	open := func(mecid int) func() string {
		return commit("reveal_mechanism_weights", "mecid", mecid, "uids", v.uids, "values", v.values, "salt", v.salt, "version_key", 1)
	}
	for _, step := range []struct {
		name string
		do   func() string
		want string
	}{
		{"one mechanism", set(1), "Custom(6)"}, // the guard says too fast of what does not exist
		{"count too high", func() string {
			call := scale.Choice{Name: "AdminUtils", Value: scale.Choice{Name: "sudo_set_mechanism_count", Value: fields("netuid", 1, "mechanism_count", 17)}}
			c.submit(c.alice, c.call("Sudo", "sudo", "call", call))
			return fmt.Sprint(s.number("MechanismCountCurrent", testNetuid))
		}, "1"},
		{"count", func() string {
			call := scale.Choice{Name: "AdminUtils", Value: scale.Choice{Name: "sudo_set_mechanism_count", Value: fields("netuid", 1, "mechanism_count", 2)}}
			c.submit(c.alice, c.call("Sudo", "sudo", "call", call))
			return fmt.Sprint(s.number("MechanismCountCurrent", testNetuid))
		}, "2"},
		{"the second", set(1), ""},
		{"the second again", set(1), "Custom(6)"},
		{"the first", set(0), ""},
		{"the first, by its other name", func() string { return c.submit(c.keys[0], c.weights(1, []uint16{1}, []uint16{1}, 1)) }, "Custom(6)"},
		{"a third", set(2), "Custom(6)"},
		{"row of the first", func() string { return c.row(0) }, "[[1 65535] [2 65535]]"},
		{"row of the second", func() string { return fmt.Sprint(s.get("Weights", second, 0)) }, "[[1 65535] [3 65535]]"},
		{"commit-reveal", func() string { s.put(true, "CommitRevealWeightsEnabled", testNetuid); return set(1)() }, "CommitRevealEnabled"},
		{"commit to the second", commit("commit_mechanism_weights", "mecid", 1, "commit_hash", v.hash(who[:], second)), ""},
		{"too fast", commit("commit_mechanism_weights", "mecid", 1, "commit_hash", v.hash(who[:], second)), "Custom(6)"},
		{"the first has its own rate", commit("commit_mechanism_weights", "mecid", 0, "commit_hash", v.hash(who[:], second)), ""},
		{"too early", open(1), "Custom(17)"},
		{"an epoch", func() string { c.epoch(); return "" }, ""},
		{"the hash names the mechanism", open(0), "Custom(16)"},
		{"reveal", open(1), ""},
		{"revealed", func() string { return fmt.Sprint(s.get("Weights", second, 1)) }, "[[4 65535]]"},
		{"both have incentives", func() string {
			return fmt.Sprint(len(s.numbers("Incentive", testNetuid)), len(s.numbers("Incentive", second)))
		}, "5 5"},
	} {
		if got := step.do(); got != step.want {
			t.Fatalf("%s: %q, want %q", step.name, got, step.want)
		}
	}
}

func TestBatches_for_many_subnets_keep_what_succeeds_and_tell_what_fails(t *testing.T) {
	pair := [][]any{{[]any{1, 2}}, {[]any{1, 1}}, {[]any{2, 7}, []any{3, 7}}}
	h := hash(1)
	for _, x := range []struct {
		name   string
		call   string
		hidden bool
		pairs  []any
		want   string
		failed string
		stored string
	}{
		{"set", "batch_set_weights", false, []any{"netuids", []uint16{1, 9, 1}, "weights", pair, "version_keys", []uint64{1, 1, 1}},
			"", "[9 CommitRevealEnabled 1 SettingWeightsTooFast]", "[[1 65535]]"},
		{"set, all good", "batch_set_weights", false, []any{"netuids", []uint16{1}, "weights", pair[2:], "version_keys", []uint64{1}},
			"", "[]", "[[2 65535] [3 65535]]"},
		{"set, lengths", "batch_set_weights", false, []any{"netuids", []uint16{1, 9}, "weights", pair, "version_keys", []uint64{1, 1}}, "Custom(18)", "[]", "[]"},
		{"set, versions", "batch_set_weights", false, []any{"netuids", []uint16{1, 1, 1}, "weights", pair, "version_keys", []uint64{0, 1, 1}},
			"", "[1 IncorrectWeightVersionKey 1 SettingWeightsTooFast]", "[[1 65535]]"},
		{"set, hidden", "batch_set_weights", true, []any{"netuids", []uint16{1}, "weights", pair[:1], "version_keys", []uint64{1}}, "", "[1 CommitRevealEnabled]", "[]"},
		{"commit", "batch_commit_weights", true, []any{"netuids", []uint16{9, 1, 1}, "commit_hashes", [][32]byte{h, h, h}},
			"", "[9 MechanismDoesNotExist 1 CommittingWeightsTooFast]", "[]"},
		{"commit, lengths", "batch_commit_weights", true, []any{"netuids", []uint16{1}, "commit_hashes", [][32]byte{}}, "Custom(18)", "[]", "[]"},
		{"commit, not hidden", "batch_commit_weights", false, []any{"netuids", []uint16{1}, "commit_hashes", [][32]byte{h}}, "", "[1 CommitRevealDisabled]", "[]"},
	} {
		c := begin(t, func(g *Genesis) {
			if x.hidden {
				g.CommitReveal = V2
			}
		})
		who := c.keys[0].Public()
		got := c.submit(c.keys[0], c.call("SubtensorModule", x.call, x.pairs...))
		if got != x.want || fmt.Sprint(c.failed()) != x.failed || c.row(0) != x.stored {
			t.Errorf("%s: %q, failed %v, stored %s", x.name, got, c.failed(), c.row(0))
		}
		if ran := x.want == ""; c.emitted("BatchWeightsCompleted") != ran || c.emitted("BatchCompletedWithErrors") != (len(c.failed()) > 0) {
			t.Errorf("%s: events %v", x.name, c.events())
		}
		if all, _ := c.state().commits(testNetuid, who[:]); (len(all) == 1) != (x.name == "commit") {
			t.Errorf("%s: %d commits", x.name, len(all))
		}
	}
}

func TestBatchReveal_takes_all_or_nothing(t *testing.T) {
	c := begin(t, func(g *Genesis) { g.CommitReveal = V2 })
	s, who := c.state(), c.keys[0].Public()
	s.put(0, "WeightsSetRateLimit", testNetuid)
	one, two, bad := reveal{[]uint16{1}, []uint16{1}, []uint16{8}, 1}, reveal{[]uint16{2}, []uint16{1}, []uint16{9}, 1}, reveal{[]uint16{3}, []uint16{1}, []uint16{7}, 0}
	for _, v := range []reveal{one, two, bad} {
		if got := c.submit(c.keys[0], c.call("SubtensorModule", "commit_weights", "netuid", 1, "commit_hash", v.hash(who[:], testNetuid))); got != "" {
			t.Fatal(got)
		}
	}
	open := func(all ...reveal) string {
		var uids, values, salts [][]uint16
		var versions []uint64
		for _, v := range all {
			uids, values, salts, versions = append(uids, v.uids), append(values, v.values), append(salts, v.salt), append(versions, v.version)
		}
		return c.submit(c.keys[0], c.call("SubtensorModule", "batch_reveal_weights", "netuid", 1, "uids_list", uids, "values_list", values, "salts_list", salts, "version_keys", versions))
	}
	if got := open(one, two); got != "Custom(17)" {
		t.Errorf("too early: %q", got)
	}
	c.epoch()
	other := reveal{[]uint16{4}, []uint16{1}, nil, 1}
	uneven := c.call("SubtensorModule", "batch_reveal_weights", "netuid", 1, "uids_list", [][]uint16{{1}}, "values_list", [][]uint16{}, "salts_list", [][]uint16{{8}}, "version_keys", []uint64{1})
	for _, x := range []struct {
		name        string
		do          func() string
		want, store string
		left        int
	}{
		{"lengths", func() string { return c.submit(c.keys[0], uneven) }, "Custom(18)", "[]", 3},
		{"one was not committed", func() string { return open(one, other) }, "Custom(16)", "[]", 3},
		{"one breaks the rules", func() string { return open(one, bad) }, "IncorrectWeightVersionKey", "[]", 3},
		{"all", func() string { return open(two, one) }, "", "[[1 65535]]", 1},
		{"again", func() string { return open(two) }, "Custom(16)", "[[1 65535]]", 1},
	} {
		got := x.do()
		all, _ := s.commits(testNetuid, who[:])
		if got != x.want || c.row(0) != x.store || len(all) != x.left {
			t.Errorf("%s: %q, %s, %d commits are left", x.name, got, c.row(0), len(all))
		}
		if told := slices.ContainsFunc(c.events(), func(e scale.Choice) bool { return e.Value.(scale.Choice).Name == "WeightsBatchRevealed" }); told && x.name != "all" && x.name != "again" {
			t.Errorf("%s: told as revealed", x.name)
		}
	}
}
