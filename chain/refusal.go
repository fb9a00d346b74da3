package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/vision19/vision/chain/rpc"
)

// A Refusal is the chain's no: an extrinsic that was not taken, or one that was, and failed. Its name is the runtime's own.
type Refusal struct {
	Pallet string   // whose error it is; "" for one of the transaction pool or of the runtime itself
	Name   string   // such as IncorrectWeightVersionKey or BadProof
	Docs   []string // what the runtime's metadata says of it
	Early  bool     // refused on entry, so that nothing was included
	Ahead  bool     // what the chain would say: nothing was submitted
}

func (r *Refusal) Error() string {
	s := "the chain refused: "
	if r.Ahead {
		s = "the chain would refuse: "
	}
	if r.Pallet != "" {
		s += r.Pallet + "."
	}
	s += r.Name
	if plain := remedies[r.Name]; plain != "" {
		return s + ": " + plain
	}
	if text := strings.TrimSpace(strings.Join(r.Docs, " ")); text != "" {
		return s + ": " + text
	}
	return s
}

// remedies say what a refusal means, and what to do, in plain words. Where several names mean the same, runtimes of different ages word it differently.
var remedies = map[string]string{
	"IncorrectWeightVersionKey":         wrongVersion,
	"IncorrectNetworkVersionKey":        wrongVersion,
	"SettingWeightsTooFast":             tooFast,
	"CommittingWeightsTooFast":          tooFast,
	"RateLimitExceeded":                 tooFast,
	"NeuronNoValidatorPermit":           "this hotkey holds no validator permit, which goes to the hotkeys with the most stake at each epoch: add stake and wait for one",
	"NoValidatorPermit":                 "this hotkey holds no validator permit, which goes to the hotkeys with the most stake at each epoch: add stake and wait for one",
	"NotEnoughStakeToSetWeights":        lowStake,
	"StakeAmountTooLow":                 lowStake,
	"HotKeyNotRegisteredInSubNet":       notRegistered,
	"HotKeyNotRegisteredInNetwork":      notRegistered,
	"NotRegistered":                     notRegistered,
	"CommitRevealEnabled":               "this subnet takes weights by commit and reveal only: leave the method to `weights set`",
	"CommitRevealDisabled":              "this subnet takes weights directly only: leave the method to `weights set`",
	"IncorrectCommitRevealVersion":      "the chain wants another version of commit-reveal than this client knows: update it",
	"TooManyUnrevealedCommits":          "ten commits wait for their reveal, which is the most: reveal those, or wait until they expire",
	"WeightsCommitNotAllowed":           "a commit waits for its reveal, and this runtime holds one at a time: commit again in the next interval",
	"RevealTooEarly":                    "the epoch in which this commit may be revealed has not come: wait for it",
	"CommitBlockNotInRevealRange":       "this is not the epoch in which the commit may be revealed: wait for it, or commit anew if it is past",
	"ExpiredWeightCommit":               "the epoch in which this commit could be revealed is past: commit anew",
	"NoWeightsCommitFound":              noCommit,
	"CommitNotFound":                    noCommit,
	"InvalidRevealCommitHashNotMatch":   "what was revealed is not what was committed",
	"InvalidRevealCommitTempo":          "this is not the epoch in which the commit may be revealed: wait for it, or commit anew if it is past",
	"InvalidRevealRound":                "the reveal round is past already: the clock is behind, or the commit took too long",
	"WeightVecLengthIsLow":              "the subnet wants weights for more miners: see min_allowed_weights",
	"NotSettingEnoughWeights":           "the subnet wants weights for more miners: see min_allowed_weights",
	"MaxWeightExceeded":                 "one weight's share is above the subnet's limit",
	"UidVecContainInvalidOne":           "a uid that the subnet does not have",
	"InvalidUid":                        "a uid that the subnet does not have",
	"UidNotFound":                       "a uid that the subnet does not have",
	"DuplicateUids":                     "a uid that comes twice",
	"UidsLengthExceedUidsInSubNet":      "more weights than the subnet has neurons",
	"TooManyUids":                       "more weights than the subnet has neurons",
	"WeightVecNotEqualSize":             "as many uids as values are right",
	"InputLengthsUnequal":               "as many uids as values are right",
	"MechanismDoesNotExist":             "the subnet has no such mechanism",
	"SubNetworkDoesNotExist":            "there is no subnet of that netuid",
	"SubnetNotExists":                   "there is no subnet of that netuid",
	"ServingRateLimitExceeded":          "an axon may be announced anew only every 50 blocks, or as many as the subnet says",
	"InvalidIpAddress":                  "this address cannot be announced: 127.0.0.1 and 0.0.0.0 are refused (on one machine 127.0.0.2 is taken)",
	"InvalidPort":                       "port 0 cannot be announced",
	"BadProof":                          "the signature is not of this hotkey, chain and runtime: another endpoint's chain, or a runtime that changed meanwhile",
	"Stale":                             "the nonce is used already, or the extrinsic's time is past: another process may use the same hotkey",
	"Future":                            "the nonce lies ahead: another process may use the same hotkey",
	"AncientBirthBlock":                 "the block that the extrinsic was signed at is too old",
	"Payment":                           "the account cannot pay the fee",
	"PriorityTooLow":                    "another extrinsic of this hotkey waits already: another process may use it",
	"TemporarilyBanned":                 "the node has seen this very extrinsic fail a moment ago",
	"AlreadyImported":                   "the node has this very extrinsic already",
	"ExhaustsResources":                 "the block is full",
	"BadOrigin":                         "the call is not open to this kind of key",
	"Token.FundsUnavailable":            "the account cannot pay",
	"BalanceTooLow":                     "the account cannot pay",
	"CannotAffordThreshold":             "the account cannot pay",
	"NotEnoughBalanceToStake":           "the account cannot pay",
	"SettingWeightsOnRootNotAllowed":    "the root network takes no weights",
	"CanNotSetRootNetworkWeights":       "the root network takes no weights",
	"NonAssociatedColdKey":              "this coldkey does not own the hotkey",
	"CommitRevealV3NotSupported":        "the chain wants another version of commit-reveal than this client knows: update it",
	"AdminActionProhibitedDuringFreeze": "the subnet's settings are frozen for the last blocks before its epoch: wait for the next one",
}

const (
	wrongVersion  = "the version key is older than the subnet asks for: leave it out, or take the subnet's (`vision metagraph`)"
	tooFast       = "weights were set, or committed, too few blocks ago: `vision weights plan` tells the block from which on it is allowed"
	lowStake      = "the hotkey's stake is below the chain's threshold: add stake"
	notRegistered = "this hotkey is not registered in the subnet: register it first, and check the wallet and the netuid"
	noCommit      = "the chain holds no such commit: it was revealed or expired, or never made"
)

// customs are the names of InvalidTransaction::Custom (subtensor, common/src/transaction_error.rs).
var customs = map[int]string{
	0: "ColdkeyInSwapSchedule", 1: "StakeAmountTooLow", 2: "BalanceTooLow", 3: "SubnetNotExists", 4: "HotkeyAccountDoesntExist", 5: "NotEnoughStakeToWithdraw",
	6: "RateLimitExceeded", 7: "InsufficientLiquidity", 8: "SlippageTooHigh", 9: "TransferDisallowed", 10: "HotKeyNotRegisteredInNetwork", 11: "InvalidIpAddress",
	12: "ServingRateLimitExceeded", 13: "InvalidPort", 14: "ZeroMaxAmount", 15: "InvalidRevealRound", 16: "CommitNotFound", 17: "CommitBlockNotInRevealRange",
	18: "InputLengthsUnequal", 19: "UidNotFound", 20: "EvmKeyAssociateRateLimitExceeded", 21: "ColdkeySwapDisputed", 22: "InvalidRealAccount", 23: "FailedShieldedTxParsing",
	24: "InvalidShieldedTxPubKeyHash", 25: "NonAssociatedColdKey", 26: "DelegateTakeTooLow", 27: "DelegateTakeTooHigh", 255: "BadRequest",
}

// Substrate's node tells an invalid transaction by code 1010 and a text (sc-rpc-api's author/error.rs and sp-runtime's transaction_validity.rs); chopsticks by the
// enum as JSON. This is the one place where such texts are read.
var (
	customText = regexp.MustCompile(`(?i)custom(?: error)?"?:?\s*(\d+)`)
	poolTexts  = []struct{ text, name string }{
		{"bad signature", "BadProof"}, {"badproof", "BadProof"}, {"outdated", "Stale"}, {"stale", "Stale"}, {"ancient birth block", "AncientBirthBlock"},
		{"ancientbirthblock", "AncientBirthBlock"}, {"valid in the future", "Future"}, {"future", "Future"}, {"pay some fees", "Payment"}, {"payment", "Payment"},
		{"exhaust", "ExhaustsResources"}, {"not expected", "Call"}, {"bad mandatory", "BadMandatory"},
	}
	poolCodes = map[int]string{1012: "TemporarilyBanned", 1013: "AlreadyImported", 1014: "PriorityTooLow", 1016: "ImmediatelyDropped"}
)

const invalidTransaction = 1010

// early is the Refusal that a node's answer to a submission is, or the error as it is.
func early(err error) error {
	var e *rpc.Error
	if !errors.As(err, &e) {
		return err
	}
	if name := poolCodes[e.Code]; name != "" {
		return &Refusal{Name: name, Early: true}
	}
	if e.Code != invalidTransaction && !strings.Contains(strings.ToLower(e.Message+string(e.Data)), "invalid") {
		return err
	}
	text := e.Message
	var data string
	if json.Unmarshal(e.Data, &data) == nil {
		text += " " + data
	} else {
		text += " " + string(e.Data)
	}
	if m := customText.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		if name := customs[n]; err == nil && name != "" {
			return &Refusal{Name: name, Early: true}
		}
		return &Refusal{Name: "Custom " + m[1], Early: true}
	}
	for _, known := range poolTexts {
		if strings.Contains(strings.ToLower(text), known.text) {
			return &Refusal{Name: known.name, Early: true}
		}
	}
	return fmt.Errorf("the node refused the transaction: %w", err)
}
