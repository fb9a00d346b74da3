package main_test

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestArena_says_what_each_strategy_earns(t *testing.T) {
	u := newUser(t, "")
	r := u.works(t, "arena", "--miners", "48", "--seeds", "6", "--strategies", "half-steps,many-identities,honest-slow", "--plot", "weights.svg")
	for _, row := range []string{
		`STRATEGY +WEIGHT +95 % +BAR +HOLDS +NO REFERENCES +95 % +HOLDS +V2 +95 %`,
		`half-steps +0\.0\d\d +0\.0\d\d\.\.0\.0\d\d +<= 0\.05 +yes +0\.0\d\d .* yes +\d\.\d+ .*`,
		`many-identities +\d\.\d{3} +\S+ +\d.*`,
		`honest-slow +\d\.\d{3} +\S+ +>= 0\.95 +yes .*`,
	} {
		if !regexp.MustCompile(`(?m)^` + row + `$`).MatchString(r.stdout) {
			t.Errorf("%s is missing in\n%s", row, r.stdout)
		}
	}
	f, err := os.Open(filepath.Join(u.dir, "weights.svg"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for d := xml.NewDecoder(f); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestArena_writes_one_document_and_the_same_again(t *testing.T) {
	u := newUser(t, "")
	args := strings.Fields("arena --miners 16 --periods 8 --seeds 2 --strategies low-res,collude-pair --references on --seed 7 --json")
	first, second := u.works(t, args...).stdout, u.works(t, args...).stdout
	if first != second {
		t.Errorf("%s\nand then\n%s", first, second)
	}
	var got struct {
		Seeds, Periods, Miners int
		Strategies             []struct {
			Name      string
			Weight    *float64 `json:"relative_weight"`
			Low, High *float64
			Bar       *float64
			Holds     *bool
			Off       *struct{} `json:"references_off"`
			V2        *struct{} `json:"v2"`
		}
	}
	if err := json.Unmarshal([]byte(first), &got); err != nil {
		t.Fatal(err)
	}
	if got.Seeds != 2 || got.Periods != 8 || got.Miners != 16 || len(got.Strategies) != 2 {
		t.Fatalf("%s", first)
	}
	cheat, pair := got.Strategies[0], got.Strategies[1]
	if cheat.Name != "low-res" || cheat.Bar == nil || *cheat.Bar != 0.05 || pair.Bar != nil || cheat.Off != nil || cheat.V2 == nil ||
		cheat.Weight == nil || cheat.Holds == nil || *cheat.Low > *cheat.Weight || *cheat.Weight > *cheat.High {
		t.Errorf("%s", first)
	}
}

func TestArena_fails_when_a_bar_does_not_hold(t *testing.T) {
	u := newUser(t, "")
	r := u.vision(t, "arena", "--miners", "16", "--periods", "4", "--seeds", "2", "--strategies", "identity-reset", "--json")
	if r.code != 1 || !strings.Contains(r.stderr, "the bar does not hold for identity-reset") || !strings.Contains(r.stdout, `"holds":false`) {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestArena_refuses_wrong_usage(t *testing.T) {
	u := newUser(t, "")
	for want, args := range map[string]string{
		`--mode is fast or real, not "slow"`:         "--mode slow",
		"miners is 3; it must be from 16 to 1024":    "--miners 3",
		`strategy "bribe" is unknown; there are ran`: "--strategies bribe",
		`references is "no"; it must be on, off or`:  "--references no",
		"seeds is 0": "--seeds 0",
	} {
		r := u.vision(t, append([]string{"arena"}, strings.Fields(args)...)...)
		if r.code != 2 || !strings.Contains(r.stderr, want) || r.stdout != "" {
			t.Errorf("%s: exit code %d\n%s%s", args, r.code, r.stdout, r.stderr)
		}
	}
}
