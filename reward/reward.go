// Package reward turns answers into weights. It says who is asked together, which answers are right, what each is worth, how far a miner is trusted,
// and what share of the weights that comes to.
//
// Everything here is pure: no clock, no network, no globals, and randomness only where the caller hands it in. Whether two answers are the same is
// decided elsewhere (package compare, or a cosine of embeddings) and handed in as a Compare.
//
// The way of a request: Rules.Draw chooses the miners; the caller asks them; Rules.Decide says what is still to be done until the truth is known;
// Rules.Settle scores the seats, and its Comparison is what is stored; Tally.Add sums a miner's seats by period; Rules.Assess turns a window of
// tallies into a Standing; Rules.Weight and Total make weights of those. CONSTANTS.md says where every constant comes from.
package reward

// MaxSeats bounds a group, added miners included. The largest that the rules can make is Max 9 or Seats and Confirm; sets of seats are bits.
const MaxSeats = 32

// Kind says where a request came from. A miner cannot tell.
type Kind string

// The kinds of requests.
const (
	Organic   Kind = "organic"   // of a user
	Synthetic Kind = "synthetic" // made by the validator
)

// Result is what a seat gave.
type Result string

// The results. Two empty answers must never count as the same: an answer without anything to compare is a Failure.
const (
	Answer  Result = "answer"  // on time, well formed, within the byte cap; or a claim that it is unsafe, with the features of it
	Failure Result = "failure" // none, late, malformed, empty, or over the cap
	Ignored Result = "ignored" // refused with good reason: the seat does not exist
)

// Refusal classifies a 429. It is a failure when fewer requests of ours were in flight to the miner, this one not counted, than the capacity that it
// declared. A capacity below 1 is an undeclared one, which counts as 1.
func Refusal(inFlight, capacity int) Result {
	if inFlight < max(capacity, 1) {
		return Failure
	}
	return Ignored
}

// Fallback is how an answer that is not the truth is still worth something.
type Fallback string

// The fallbacks.
const (
	Cosine  Fallback = "cosine"  // the CLIP cosine to the truth: images
	Squared Fallback = "squared" // its square: upscale, and what else has no seed
	Nothing Fallback = "nothing" // embeddings, where the cosine is the sameness itself
)

// Outcome is what the truth says of an answer.
type Outcome string

// The outcomes; a failure, and what is in a void group, has none.
const (
	Unjudged Outcome = ""
	Correct  Outcome = "correct"
	Wrong    Outcome = "wrong"
)

// Reference is how far the validator's own run of a request is.
type Reference string

// The states of a reference run.
const (
	NoReference     Reference = ""       // this validator cannot run the task
	NotRun          Reference = "unused" // it can, and has not been asked to
	Ran             Reference = "ran"
	ReferenceFailed Reference = "failed"
)

// Source says what made the truth of a group.
type Source string

// The sources of truth.
const (
	NoTruth     Source = ""          // nobody answered, or the group is void
	ByAgreement Source = "agreement" // all answers are the same, and nothing was checked
	ByReference Source = "reference" // the validator's own run
	ByVotes     Source = "votes"     // the largest cluster of answers
)

// OwnAnswer stands in place of a seat's number for the reference's answer.
const OwnAnswer = -1

// Seat is one miner's part in a group. Settle fills in what is below Vote.
type Seat struct {
	Miner     string  `json:"miner"`  // its hotkey
	Ranked    bool    `json:"ranked"` // drawn with the group; false: added to find the truth, so its latency says nothing
	Result    Result  `json:"result"`
	LatencyMS float64 `json:"latency_ms"` // from the first byte written to the last byte read
	Unsafe    bool    `json:"unsafe"`     // the miner claims it, or our own check finds it
	Claim     bool    `json:"claim"`      // the miner claims it, and sent features in place of an image
	Vote      float64 `json:"vote"`       // Q^K of its miner as of the last closed period, 0..1; see Rules.Vote

	Outcome Outcome `json:"outcome"`
	Agreed  bool    `json:"agreed"` // another seat gave the same answer
	Scored  bool    `json:"scored"` // Score counts in the period's mean
	Score   float64 `json:"score"`  // 0..1+Bonus
	Doubt   float64 `json:"doubt"`  // the trust weight: 0, 1 or 1/chance
}

// Comparison is one request to one group of miners: what Decide and Settle work on, and the evidence that is stored. The weights of any rules can be
// computed again from stored comparisons.
type Comparison struct {
	Period    int64     `json:"period"` // that of the request, even when the answers come in the next
	Task      string    `json:"task"`
	Kind      Kind      `json:"kind"`
	Fallback  Fallback  `json:"fallback"`
	Chance    float64   `json:"audit_chance"` // c_g at the time of the draw; computed later it would bias trust
	Audited   bool      `json:"audited"`      // drawn before the miners were asked
	Reference Reference `json:"reference"`
	Unsafe    bool      `json:"reference_unsafe"` // the reference's answer is unsafe
	Exhausted bool      `json:"exhausted"`        // no miner is left that could be asked too
	Seats     []Seat    `json:"seats"`

	Truth Source `json:"truth"`
	Void  bool   `json:"void"`  // no score, no evidence, and its miners count as not asked
	Alarm bool   `json:"alarm"` // miners agree against the reference: the operator's driver may differ
}

// Pair is how two answers of one request compare.
type Pair struct {
	Same   bool    // the same parameters on whatever hardware
	Cosine float64 // of the embeddings that the validator computed, -1..1; 0 without embeddings
}

// Compare compares the answers of two seats, i < j, or with j = OwnAnswer that of a seat with the reference's. It is asked only for seats with an
// answer, and must give the same for the same pair.
type Compare func(i, j int) Pair
