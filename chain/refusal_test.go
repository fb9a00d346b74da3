package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/vision19/vision/chain/rpc"
	"github.com/vision19/vision/chain/scale"
)

// The replies are those of subtensor's node (sc-rpc-api) and of chopsticks.
func TestEarly_refusals_get_the_names_that_the_runtime_gives_them(t *testing.T) {
	for _, c := range []struct {
		code          int
		message, data string
		want          string
	}{
		{1010, "Invalid Transaction", `"Custom error: 6"`, "RateLimitExceeded"},
		{1010, "Invalid Transaction", `"Custom error: 15"`, "InvalidRevealRound"},
		{1010, "Invalid Transaction", `"Custom error: 77"`, "Custom 77"},
		{1010, "Invalid Transaction", `"Transaction has a bad signature"`, "BadProof"},
		{1010, "Invalid Transaction", `"Transaction is outdated"`, "Stale"},
		{1010, "Invalid Transaction", `"Transaction will be valid in the future"`, "Future"},
		{1010, "Invalid Transaction", `"Transaction has an ancient birth block"`, "AncientBirthBlock"},
		{1010, "Invalid Transaction", `"Inability to pay some fees (e.g. account balance too low)"`, "Payment"},
		{1, `{"invalid":{"badProof":null}}`, ``, "BadProof"},
		{1, `{"invalid":{"custom":10}}`, ``, "HotKeyNotRegisteredInNetwork"},
		{1010, `{"invalid":{"stale":null}}`, ``, "Stale"},
		{1012, "Transaction is temporarily banned", ``, "TemporarilyBanned"},
		{1013, "Transaction Already Imported", ``, "AlreadyImported"},
		{1014, "Priority is too low: (1 vs 2)", `"..."`, "PriorityTooLow"},
	} {
		err := early(fmt.Errorf("submit: %w", &rpc.Error{Code: c.code, Message: c.message, Data: json.RawMessage(c.data)}))
		var r *Refusal
		if !errors.As(err, &r) || r.Name != c.want || !r.Early {
			t.Errorf("%d %s %s is %v, want %s", c.code, c.message, c.data, err, c.want)
		}
	}
}

func TestEarly_leaves_other_errors_as_they_are(t *testing.T) {
	for _, err := range []error{rpc.ErrLost, &rpc.Error{Code: -32601, Message: "Method not found"}} {
		if got := early(err); got != err {
			t.Errorf("%v became %v", err, got)
		}
	}
}

func TestRefusal_says_what_to_do_in_plain_words(t *testing.T) {
	for name, want := range map[string]string{
		"IncorrectWeightVersionKey": "leave it out", "SettingWeightsTooFast": "weights plan", "NeuronNoValidatorPermit": "stake", "BadProof": "signature",
	} {
		if text := (&Refusal{Pallet: "SubtensorModule", Name: name}).Error(); !strings.Contains(text, "SubtensorModule."+name) || !strings.Contains(text, want) {
			t.Errorf("%s: %s", name, text)
		}
	}
	if text := (&Refusal{Pallet: "P", Name: "New", Docs: []string{"A rule that is new."}}).Error(); !strings.Contains(text, "A rule that is new.") {
		t.Errorf("an error that is only in the metadata: %s", text)
	}
}

func TestRefusal_takes_a_module_error_in_each_form_that_runtimes_gave_it(t *testing.T) {
	m := &scale.Metadata{Types: []scale.Type{{Def: scale.Def{Kind: scale.Variants, Variants: []scale.Variant{{Name: "TooFast", Index: 29, Docs: []string{"doc"}}}}}}}
	m.Types = append(m.Types, scale.Type{Path: []string{"Xt"}, Def: scale.Def{Kind: scale.Composite}})
	m.Extrinsic.Type, m.Runtime = 1, 1
	m.Pallets = []scale.Pallet{{Name: "SubtensorModule", Index: 7, Calls: -1, Events: -1, Errors: 0}}
	parsed, err := scale.ParseMetadata(m.Append(nil, 14))
	if err != nil {
		t.Fatal(err)
	}
	rt := &Runtime{Metadata: parsed}
	module := func(code any) any {
		return scale.Choice{Name: "Module", Value: scale.Struct{{Name: "index", Value: uint64(7)}, {Name: "error", Value: code}}}
	}
	for _, c := range []struct {
		give any
		want string
	}{
		{module([]byte{29, 0, 0, 0}), "TooFast"}, {module(uint64(29)), "TooFast"}, {module(uint64(30)), "error 30 of pallet 7"},
		{scale.Choice{Name: "BadOrigin"}, "BadOrigin"}, {scale.Choice{Name: "Token", Value: scale.Choice{Name: "FundsUnavailable"}}, "Token.FundsUnavailable"}, {nil, "<nil>"},
	} {
		var r *Refusal
		if err := rt.refusal(c.give); !errors.As(err, &r) || r.Name != c.want {
			t.Errorf("%v is %v, want %s", c.give, err, c.want)
		}
	}
}
