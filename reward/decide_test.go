package reward

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// group makes a comparison of a line such as "A A b.5 -  x": a letter is an answer, and equal letters are the same; * is a failure, - an ignored seat;
// a number is the vote, 1 if none; a ' in front means that the seat was added, a ! behind that the answer is unsafe, !! that it is claimed to be.
func group(line string) (Comparison, []string) {
	c := Comparison{Chance: 0.05}
	var contents []string
	for i, word := range strings.Fields(line) {
		s := Seat{Miner: fmt.Sprint("m", i), Ranked: true, Result: Answer, Vote: 1, LatencyMS: 1000}
		if rest, added := strings.CutPrefix(word, "'"); added {
			s.Ranked, word = false, rest
		}
		content := word[:1]
		switch {
		case content == "*":
			s.Result = Failure
		case content == "-":
			s.Result = Ignored
		}
		s.Claim = strings.HasSuffix(word, "!!")
		s.Unsafe = strings.HasSuffix(word, "!")
		if number := strings.Trim(word[1:], "!"); number != "" {
			fmt.Sscan(number, &s.Vote)
		}
		c.Seats, contents = append(c.Seats, s), append(contents, content)
	}
	return c, contents
}

// letters compares contents; the truth is A, and everything is somewhat like everything.
func letters(contents []string) Compare {
	return func(i, j int) Pair {
		other := "A"
		if j != OwnAnswer {
			other = contents[j]
		}
		if contents[i] == other {
			return Pair{Same: true, Cosine: 1}
		}
		return Pair{Cosine: 0.96}
	}
}

// outcomes writes a verdict: c, w, . for each seat, upper case where another agreed.
func outcomes(v Verdict, n int) string {
	switch {
	case v.Next == RunReference:
		return "run"
	case v.Next == AskOne:
		return "ask"
	case v.Alarm:
		return "alarm"
	case v.Void:
		return "void"
	}
	var b strings.Builder
	for i := range n {
		letter := map[Outcome]string{Unjudged: ".", Correct: "c", Wrong: "w"}[v.Outcome(i)]
		if v.Agreed(i) {
			letter = strings.ToUpper(letter)
		}
		b.WriteString(letter)
	}
	return b.String()
}

func TestDecide_finds_the_truth(t *testing.T) {
	for _, c := range []struct {
		group   string
		audited bool
		ref     Reference
		want    string
		source  Source
	}{
		// accepted
		{"A A", false, NotRun, "CC", ByAgreement},
		{"B B", false, NotRun, "CC", ByAgreement},
		{"A A -", false, NoReference, "CC.", ByAgreement},
		{"A! A!!", false, NotRun, "CC", ByAgreement},
		// checked, with a reference
		{"A B", false, NotRun, "run", ""},
		{"A *", false, NotRun, "run", ""},
		{"A A", true, NotRun, "run", ""},
		{"A A!!", false, NotRun, "run", ""},
		{"A B", false, Ran, "cw", ByReference},
		{"A *", false, Ran, "c.", ByReference},
		{"B *", false, Ran, "w.", ByReference},
		{"B C", false, Ran, "ww", ByReference},
		{"A A", true, Ran, "CC", ByReference},
		{"A! A!", true, Ran, "ask", ""}, // the reference is safe: a false claim
		{"A B", false, ReferenceFailed, "void", ""},
		// an agreeing group against the reference
		{"B B", true, Ran, "ask", ""},
		{"B B 'C 'C", true, Ran, "ask", ""},
		{"B B 'A", true, Ran, "WWc", ByReference},
		{"B B 'B 'A", true, Ran, "WWWc", ByReference},
		{"B B 'B '* 'B", true, Ran, "alarm", ""},
		{"B B C", false, Ran, "ask", ""},
		{"B B A", false, Ran, "WWc", ByReference},
		// votes
		{"A A", true, NoReference, "ask", ""},
		{"A A A A A", true, NoReference, "CCCCC", ByVotes},
		{"A A A A B", true, NoReference, "CCCCw", ByVotes},
		{"A A A B B", true, NoReference, "ask", ""},
		{"A B 'A 'A 'A", false, NoReference, "CwCCC", ByVotes},
		{"A B 'A 'A", false, NoReference, "ask", ""},
		{"A.9 B 'A.9 'A.9 'A.9 'A.9", false, NoReference, "CwCCCC", ByVotes},
		{"A B0 'A.9 'A.9", false, NoReference, "CwCC", ByVotes}, // 2.8 of 2.7
		{"A B0 'A.8 'A.8", false, NoReference, "ask", ""},       // 2.6
		{"A *", false, NoReference, "ask", ""},
		{"A * 'A 'A", false, NoReference, "C.CC", ByVotes},
		{"A B 'A 'B 'A 'B 'A 'B", false, NoReference, "ask", ""},
		{"A B 'A 'B 'A 'B 'A 'B 'A", false, NoReference, "void", ""},
		{"A B.1 'B.1 'B.1 'B.1 'B.1 'A 'A", false, NoReference, "ask", ""}, // 3 against 0.5
		{"A B.1 'B.1 'B.1 'A 'A 'A", false, NoReference, "CWWWCCC", ByVotes},
		// no answer
		{"* *", false, NotRun, "run", ""},
		{"* *", false, Ran, "..", NoTruth},
		{"* *", false, ReferenceFailed, "void", ""},
		{"- -", false, NotRun, "void", ""},
		{"* -", false, Ran, "..", NoTruth},
		{"* *", true, NoReference, "ask", ""},
		{"* * '*", false, NoReference, "void", ""},
		{"* * '-", false, NoReference, "ask", ""},
		{"* * '- '- '- '- '- '- '-", false, NoReference, "void", ""},
		{"* * 'A", false, NoReference, "...", NoTruth},
		{"", false, NotRun, "void", ""},
	} {
		g, contents := group(c.group)
		g.Audited, g.Reference = c.audited, c.ref
		v := rules(t, "").Decide(g, letters(contents))
		if got := outcomes(v, len(g.Seats)); got != c.want || v.Source != c.source {
			t.Errorf("%q audited %t reference %q: %s by %q, want %s by %q", c.group, c.audited, c.ref, got, v.Source, c.want, c.source)
		}
	}
}

func TestDecide_clusters_around_the_answer_with_most_partners(t *testing.T) {
	// A chain 0-1-2-3-4 with 2 the same as 0 too: 2 has three partners, the chain as a whole is no cluster.
	same := map[[2]int]bool{{0, 1}: true, {1, 2}: true, {2, 3}: true, {3, 4}: true, {0, 2}: true}
	c, _ := group("A A A A A")
	c.Audited = true
	r := rules(t, "")
	v := r.Decide(c, func(i, j int) Pair { return Pair{Same: same[[2]int{i, j}]} })
	if v.Truth != 2 || outcomes(v, 5) != "CCCCW" { // 4 votes against 1
		t.Errorf("truth %d, %s", v.Truth, outcomes(v, 5))
	}
}

func TestDecide_follows_history_presets(t *testing.T) {
	like := func(i, j int) Pair { return Pair{Cosine: 0.91} }
	c, _ := group("A B")
	c.Reference = NotRun
	if got := outcomes(rules(t, "v2").Decide(c, like), 2); got != "CC" {
		t.Errorf("v2 takes a high cosine for agreement: %s", got)
	}
	if got := outcomes(rules(t, "seed").Decide(c, like), 2); got != "run" {
		t.Errorf("seed: %s", got)
	}
	c.Audited, c.Reference = true, Ran
	if got := outcomes(rules(t, "v2").Decide(c, func(i, j int) Pair { return Pair{Same: j != OwnAnswer} }), 2); got != "WW" {
		t.Errorf("v2 never doubts its reference: %s", got)
	}
	c, _ = group("* *")
	if v := rules(t, "v2").Decide(c, like); !v.Void {
		t.Errorf("v2 scores nothing when nobody answers: %+v", v)
	}
}

// play runs a group to its end with answers of a crowd, and counts the steps.
func play(t testing.TB, r Rules, c Comparison, contents []string, next func() (Seat, string)) (Comparison, Verdict, []string) {
	t.Helper()
	for step := 0; ; step++ {
		v := r.Decide(c, letters(contents))
		switch v.Next {
		case Done:
			return c, v, contents
		case RunReference:
			c.Reference = Ran
		case AskOne:
			s, content := next()
			c.Seats, contents = append(slices.Clip(c.Seats), s), append(slices.Clip(contents), content)
		}
		if step > r.Max+r.Confirm {
			t.Fatalf("%d steps and no end: %v", step, contents)
		}
	}
}

// crowd draws groups of any make.
func crowd(rng *rand.Rand) (Comparison, []string, func() (Seat, string)) {
	one := func(ranked bool) (Seat, string) {
		results := []Result{Answer, Answer, Answer, Failure, Ignored}
		s := Seat{Ranked: ranked, Result: results[rng.IntN(len(results))], LatencyMS: 100 * rng.Float64(), Vote: rng.Float64()}
		if rng.IntN(8) == 0 {
			s.Unsafe, s.Claim = true, rng.IntN(2) == 0
		}
		return s, string("AAAABBC"[rng.IntN(7)])
	}
	c := Comparison{
		Chance: 0.05 + rng.Float64()/2, Audited: rng.IntN(3) == 0,
		Reference: []Reference{NoReference, NotRun, ReferenceFailed}[rng.IntN(3)],
		Fallback:  []Fallback{Cosine, Squared, Nothing}[rng.IntN(3)],
	}
	var contents []string
	for range 1 + rng.IntN(5) {
		s, content := one(true)
		c.Seats, contents = append(c.Seats, s), append(contents, content)
	}
	return c, contents, func() (Seat, string) { return one(false) }
}

func TestDecide_always_ends_and_does_not_depend_on_names_or_order(t *testing.T) {
	r := rules(t, "")
	for seed := range uint64(3000) {
		rng := random(seed)
		c, contents, next := crowd(rng)
		c, v, contents := play(t, r, c, contents, next)
		if len(c.Seats) > max(r.Max, 5+r.Confirm) {
			t.Fatalf("seed %d: %d seats", seed, len(c.Seats))
		}
		shuffled, other := c, make([]string, len(contents))
		shuffled.Seats = make([]Seat, len(c.Seats))
		order := rng.Perm(len(c.Seats))
		for to, from := range order {
			shuffled.Seats[to], other[to] = c.Seats[from], contents[from]
			shuffled.Seats[to].Miner = fmt.Sprint("renamed", from)
		}
		w := r.Decide(shuffled, letters(other))
		settled, settledOther := r.Settle(c, v, letters(contents)), r.Settle(shuffled, w, letters(other))
		if v.Next != w.Next || v.Void != w.Void || v.Source != w.Source {
			t.Fatalf("seed %d: %+v, in another order %+v", seed, v, w)
		}
		for to, from := range order {
			a, b := settled.Seats[from], settledOther.Seats[to]
			if a.Miner = b.Miner; a != b {
				t.Fatalf("seed %d: %+v, in another order %+v", seed, a, b)
			}
		}
	}
}

func TestDecide_voids_what_nobody_is_left_to_decide(t *testing.T) {
	for line, want := range map[string]string{"A B": "void", "* *": "void", "A B 'A 'A 'A": "CwCCC"} {
		c, contents := group(line)
		c.Exhausted = true
		if got := outcomes(rules(t, "").Decide(c, letters(contents)), len(c.Seats)); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	c, contents := group("B B")
	c.Audited, c.Reference, c.Exhausted = true, Ran, true
	if got := outcomes(rules(t, "").Decide(c, letters(contents)), 2); got != "alarm" {
		t.Errorf("an unconfirmed reference: %s", got)
	}
}

func TestDecide_voids_what_is_larger_than_any_group(t *testing.T) {
	c := Comparison{Seats: make([]Seat, MaxSeats+1)}
	if v := rules(t, "").Decide(c, letters(make([]string, MaxSeats+1))); !v.Void {
		t.Errorf("%+v", v)
	}
}
