package reward

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// KindRule is how a miner's organic and synthetic results are held against each other.
type KindRule string

// The kind rules.
const (
	KindByWindow KindRule = "window" // a difference beyond chance over the whole window costs; see Rules.Assess
	KindByPeriod KindRule = "period" // the smaller mean of each period, as the original did; it rewards refusing one kind
)

// Rules are the constants of scoring. CONSTANTS.md says of each what the README says, what the original ran, and why ours is what it is.
type Rules struct {
	// The draw.
	Seats       int     // of a group
	AuditSeats  int     // of an audited group where there is no reference
	Audit       float64 // c: the probability that a group is audited, at least
	AuditNew    float64 // c at least, for a miner with fewer than Fill periods
	AuditCaught float64 // c at least, for a miner that an audit has caught in the window
	AuditClaims float64 // c at least, for a miner whose share of unsafe claims exceeds ClaimRatio times that of its peers
	ClaimRatio  float64

	// The truth.
	Lead      float64 // votes by which the largest cluster must lead the next
	LeadShare float64 // of Lead that suffices, since votes of trusted miners weigh a little less than 1
	Max       int     // seats of a group that is decided by votes
	Confirm   int     // miners asked to confirm a reference that an agreeing group contradicts; 0: it is always right

	// The score.
	Bonus       float64 // s
	Noise       float64 // of the faster latency, within which two are equally fast
	CosineFloor float64 // at or below which a cosine is worth nothing
	Beta, Step  float64 // of the preference rating

	// Trust and weights.
	Trust         float64  // K: the exponent of Q; 0 means no trust
	Kinds         KindRule // organic against synthetic
	KindSeats     int      // of each kind that the window needs before they are compared
	KindTolerance float64  // of the difference of two means of one seat each
	Fill          int      // periods of a full window; those that a newer miner lacks count 0
	FillPower     float64  // of the share of periods that it has
	Sharpen       float64  // the exponent of S
	Window        int      // periods with a scored seat
	MaxAge        int      // calendar periods
	Period        time.Duration

	// What only the history presets use.
	Failed         float64 // the least that a seat earns, failures included
	Uncapped       bool    // when nobody is right, the cosine is paid in full
	LooseAgreement bool    // two answers whose cosine exceeds CosineFloor agree, until they are checked
	VoidUnanswered bool    // a group without an answer is not scored
}

// presets are the named rules, the default first.
var presets = []struct {
	name  string
	rules func() Rules
}{{"vision", vision}, {"seed", seed}, {"v2", v2}}

// Presets lists the names of presets, the default first.
func Presets() []string {
	var names []string
	for _, p := range presets {
		names = append(names, p.name)
	}
	return names
}

// Preset returns named rules; "" is the default. The error lists the names.
func Preset(name string) (Rules, error) {
	for i, p := range presets {
		if p.name == name || i == 0 && name == "" {
			return p.rules(), nil
		}
	}
	return Rules{}, fmt.Errorf("scoring preset %q is unknown; there are %s", name, strings.Join(Presets(), ", "))
}

// vision was chosen by simulation; `vision arena` repeats it.
func vision() Rules {
	return Rules{
		Seats: 2, AuditSeats: 5, Audit: 0.05, AuditNew: 0.2, AuditCaught: 0.5, AuditClaims: 0.5, ClaimRatio: 2,
		Lead: 3, LeadShare: 0.9, Max: 9, Confirm: 3,
		Bonus: 0.25, Noise: 0.03, CosineFloor: 0.9, Beta: 1, Step: 0.1,
		Trust: 2, Kinds: KindByWindow, KindSeats: 4, KindTolerance: 0.5,
		Fill: 8, FillPower: 1, Sharpen: 1, Window: 30, MaxAge: 60, Period: 20 * time.Minute,
	}
}

// seed is the README's words with the constants of the code of the same commit, 7bf552e.
func seed() Rules {
	r := vision()
	r.Audit, r.AuditNew, r.AuditCaught, r.AuditClaims = 0.02, 0, 0, 0
	r.Confirm, r.Noise, r.Trust = 0, 0, 0
	r.Bonus, r.Failed, r.VoidUnanswered = 0.1, 0.2, true
	r.Kinds, r.Fill, r.MaxAge = KindByPeriod, 1, maxAge
	return r
}

// v2 is what the last 2.x code, afa3a01, did.
func v2() Rules {
	r := seed()
	r.Bonus, r.Failed, r.Uncapped, r.LooseAgreement = 0.25, 0.25, true, true
	r.Fill, r.FillPower, r.Period = 30, 0.5, 10*time.Minute
	return r
}

// The bounds of the rules. maxWindow and maxAge bound what is read for one miner; maxPeriod is a day, since weights of older evidence than a month
// say nothing.
const (
	maxWindow = 1000
	maxAge    = 2000
	maxPeriod = 24 * time.Hour
)

// Check reports everything that is wrong with the rules.
func (r Rules) Check() error {
	var faults []error
	within := func(name string, value, low, high float64) {
		if !(value >= low && value <= high) {
			faults = append(faults, fmt.Errorf("scoring: %s is %v; it must be from %v to %v", name, value, low, high))
		}
	}
	// c of zero would make the weight of who is caught infinite, and one that is small makes it a matter of luck.
	for _, c := range []struct {
		name  string
		value float64
		low   float64
	}{{"audit", r.Audit, 0.001}, {"audit_new", r.AuditNew, 0}, {"audit_caught", r.AuditCaught, 0}, {"audit_claims", r.AuditClaims, 0}} {
		within(c.name, c.value, c.low, 1)
	}
	within("seats", float64(r.Seats), 2, MaxSeats/2)
	within("max", float64(r.Max), float64(r.Seats), MaxSeats/2)
	within("audit_seats", float64(r.AuditSeats), float64(r.Seats), float64(r.Max))
	within("confirm", float64(r.Confirm), 0, MaxSeats/2)
	within("claim_ratio", r.ClaimRatio, 1, 1000)
	within("lead", r.Lead, 1, float64(r.Max))
	within("lead_share", r.LeadShare, 0.5, 1)
	within("bonus", r.Bonus, 0, 0.9) // at 1 the slower of two would earn nothing for a right answer
	within("noise", r.Noise, 0, 1)
	within("cosine_floor", r.CosineFloor, 0, 1)
	within("beta", r.Beta, 0, 100)
	within("step", r.Step, 0, 10)
	within("trust", r.Trust, 0, 16)
	within("kind_seats", float64(r.KindSeats), 1, 1e6)
	within("kind_tolerance", r.KindTolerance, 0, 100)
	within("window", float64(r.Window), 1, maxWindow)
	within("max_age", float64(r.MaxAge), float64(r.Window), maxAge)
	within("fill", float64(r.Fill), 1, float64(r.Window))
	within("fill_power", r.FillPower, 0, 16)
	within("sharpen", r.Sharpen, 0.1, 16)
	within("failed", r.Failed, 0, 1-r.Bonus)
	if r.Period < time.Second || r.Period > maxPeriod {
		faults = append(faults, fmt.Errorf("scoring: period is %s; it must be from 1s to %s", r.Period, maxPeriod))
	}
	if kinds := []KindRule{KindByWindow, KindByPeriod}; !slices.Contains(kinds, r.Kinds) {
		faults = append(faults, fmt.Errorf("scoring: kinds is %q; it must be %q or %q", r.Kinds, kinds[0], kinds[1]))
	}
	return errors.Join(faults...)
}

// Vote is what a miner's answer weighs where votes make the truth: Q^K.
func (r Rules) Vote(trust float64) float64 { return math.Pow(unit(trust), r.Trust) }

// unit brings a number into 0..1; what is no number is 0.
func unit(x float64) float64 {
	if !(x > 0) {
		return 0
	}
	return min(x, 1)
}
