package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/vision19/vision/chain"
	"github.com/vision19/vision/chain/wallet"
)

// weighing is what the weights commands were asked.
type weighing struct {
	chainFlags
	mechanism uint8
	weights   string
	version   uint64
	method    string
	force     bool
	noWait    bool
	resume    bool
	uid       int
}

func (a *app) weightsCommand() *cobra.Command {
	c := &cobra.Command{Use: "weights", Short: "Plan, set and show what a validator's weights are on the chain", Args: exactArgs(0, ""), RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(a.weightsPlanCommand(), a.weightsSetCommand(), a.weightsShowCommand(), a.weightsHistoryCommand())
	return c
}

func (w *weighing) weightFlags(c *cobra.Command) {
	w.endpointFlags(c)
	w.walletFlags(c)
	c.Flags().Uint8Var(&w.mechanism, "mechanism", 0, "`M` of the subnet's mechanisms")
}

func (a *app) weightsSetCommand() *cobra.Command {
	w := &weighing{}
	c := a.jsonFlag(&cobra.Command{
		Use:   "set --weights UID:VALUE,...",
		Short: "Set weights, and read them back from the chain",
		Long: "Sets weights as the subnet asks: directly, by commit and reveal, or timelocked. It is done when the weights were read back from the chain and are\n" +
			"equal; with commit-reveal that is an epoch later, and --no-wait ends after the commit: a later call with --resume goes on, as it does after a crash.\n" +
			"Values are any numbers from 0 on; the largest becomes 65535.",
		Args: exactArgs(0, "--weights UID:VALUE,..."),
		RunE: func(c *cobra.Command, _ []string) error { return a.setWeights(c, w) },
	})
	w.weightFlags(c)
	flags := c.Flags()
	flags.StringVar(&w.weights, "weights", "", "`UID:VALUE,...`, such as 1:100,2:200")
	flags.Uint64Var(&w.version, "version-key", 0, "`K` of the validator's code (default the subnet's)")
	flags.StringVar(&w.method, "method", "auto", "auto, direct, v2 or v4")
	flags.BoolVar(&w.force, "force", false, "submit what the chain is known to refuse")
	flags.BoolVar(&w.noWait, "no-wait", false, "end after a commit")
	flags.BoolVar(&w.resume, "resume", false, "only go on with what earlier calls began")
	return c
}

// order checks what was asked, before anything is opened.
func (w *weighing) order(c *cobra.Command) (chain.Order, error) {
	o := chain.Order{Netuid: w.netuid, Mechanism: w.mechanism, Method: chain.Method(w.method), Unchecked: w.force}
	if !slices.Contains([]chain.Method{chain.Auto, chain.Direct, chain.V2, chain.V4}, o.Method) {
		return o, &usageError{fmt.Errorf("--method %q: auto, direct, v2 or v4", w.method)}
	}
	if c.Flags().Changed("version-key") {
		o.VersionKey = &w.version
	}
	if w.resume {
		if w.weights != "" {
			return o, &usageError{errors.New("--resume goes on with what was begun, and takes no --weights")}
		}
		return o, nil
	}
	var err error
	o.Weights, err = parseWeights(w.weights)
	return o, err
}

// parseWeights reads UID:VALUE,... and scales it.
func parseWeights(s string) ([]chain.Weight, error) {
	if s == "" {
		return nil, &usageError{errors.New("--weights UID:VALUE,... is missing")}
	}
	var shares []chain.Share
	for part := range strings.SplitSeq(s, ",") {
		uid, value, ok := strings.Cut(strings.TrimSpace(part), ":")
		u, err := strconv.ParseUint(uid, 10, 16)
		v, bad := strconv.ParseFloat(value, 64)
		if !ok || err != nil || bad != nil {
			return nil, &usageError{fmt.Errorf("--weights: %q is not UID:VALUE, such as 1:100; a uid is from 0 to 65535", part)}
		}
		shares = append(shares, chain.Share{UID: uint16(u), Value: v})
	}
	weights, err := chain.Quantise(shares, chain.Limits{})
	if err != nil {
		return nil, &usageError{fmt.Errorf("--weights: %w", err)}
	}
	return weights, nil
}

// journals is the folder of the journals.
func (a *app) journals() string { return filepath.Join(a.state, "weights") }

// setResult is what came of a call of set.
type setResult struct {
	Status   chain.Status  `json:"status"`
	Method   chain.Method  `json:"method"`
	Block    uint64        `json:"block"`
	Hash     *chain.Hash   `json:"hash"` // the last extrinsic's
	ReadBack bool          `json:"read_back"`
	Netuid   uint16        `json:"netuid"`
	Refusals []refusalJSON `json:"refusals"`
	Error    string        `json:"error,omitempty"`
	Earlier  []earlierJSON `json:"earlier"` // what came of earlier calls meanwhile
}

// earlierJSON is a record that an earlier call left open.
type earlierJSON struct {
	Status chain.Status `json:"status"`
	Method chain.Method `json:"method"`
	Block  uint64       `json:"block"`
	Reason string       `json:"reason,omitempty"`
}

func (a *app) setWeights(c *cobra.Command, w *weighing) error {
	o, err := w.order(c)
	if err != nil {
		return err
	}
	key, err := w.open()
	if err != nil {
		return err
	}
	journal, err := chain.OpenJournal(a.journals(), key.Public())
	if err != nil {
		return err
	}
	defer journal.Close()
	client, err := w.dial(c.Context(), a)
	if err != nil {
		return err
	}
	defer client.Close()
	p := newProgress("waiting for the reveal's epoch, block")
	defer p.finish()
	before := journal.Pending(client.Genesis(), o.Netuid)
	s := &chain.Setter{Client: client, Key: key, Journal: journal, Say: sayRecord, Wait: revealProgress(p)}
	r, err := w.run(c.Context(), s, o)
	if c.Context().Err() != nil && err != nil && (r == nil || r.Open()) {
		err = errors.Join(errInterrupted, errors.New("`vision weights set --resume` goes on"))
	}
	return a.showSet(w, before, r, err)
}

// run goes on with what is open, and begins and finishes the order. The record is that of the order, or the last one that was open.
func (w *weighing) run(ctx context.Context, s *chain.Setter, o chain.Order) (*chain.Record, error) {
	open := s.Journal.Pending(s.Client.Genesis(), o.Netuid)
	var last *chain.Record
	for _, r := range open {
		last = r
		if _, err := s.Advance(ctx, r); err != nil && (w.resume || r.Open()) {
			return r, err
		}
	}
	if !w.resume {
		r, err := s.Begin(ctx, o)
		if err != nil {
			return r, err
		}
		last, open = r, append(open, r)
	}
	if w.noWait {
		return last, nil
	}
	return last, s.Finish(ctx, open...)
}

// sayRecord tells how far a record is, on stderr.
func sayRecord(r *chain.Record) {
	line := fmt.Sprintf("%s: %s", r.Method, r.Status)
	if r.Block > 0 && r.Status != chain.Submitted && r.Status != chain.Revealing {
		line += fmt.Sprintf(" in block %d", r.Block)
	}
	if r.Status == chain.Committed {
		line += fmt.Sprintf(", of epoch %d; the reveal comes in a later one", r.Epoch)
	}
	if r.Reason != "" {
		line += ": " + r.Reason
	}
	fmt.Fprintln(os.Stderr, line)
}

// revealProgress shows how many blocks there are to a reveal: a bar on a terminal, in a pipe a line at each tenth.
func revealProgress(p *progress) func(r *chain.Record, block, until uint64) {
	began, told := uint64(0), -1
	return func(_ *chain.Record, block, until uint64) {
		if began == 0 || block < began {
			began = block
		}
		done, total := int(block-began), int(max(until, block)-began)
		if tenth := 10 * done / max(total, 1); p.container != nil || tenth > told {
			told = tenth
			p.step(done, total)
		}
	}
}

func (a *app) showSet(w *weighing, before []*chain.Record, r *chain.Record, err error) error {
	out := setResult{Status: chain.Failed, Method: chain.Method(w.method), Netuid: w.netuid, Refusals: refusals(err)}
	if r != nil {
		out.Method, out.Block, out.ReadBack = r.Method, r.Block, r.Status == chain.Set
		if r.Status != "" {
			out.Status = r.Status
		}
		if r.Extrinsic != (chain.Hash{}) {
			out.Hash = &r.Extrinsic
		}
	}
	if err != nil {
		out.Error = err.Error()
	} else if r == nil {
		out.Status = "nothing"
	}
	if out.Refusals == nil {
		out.Refusals = []refusalJSON{}
	}
	out.Earlier = []earlierJSON{}
	for _, x := range before {
		if x != r {
			out.Earlier = append(out.Earlier, earlierJSON{x.Status, x.Method, x.Block, x.Reason})
		}
	}
	if a.json {
		if e := printJSON(os.Stdout, out); e != nil {
			return e
		}
		return err
	}
	switch {
	case err != nil:
	case r == nil:
		fmt.Println("nothing is open")
	case out.ReadBack:
		fmt.Printf("weights set by %s in block %d, and read back\n", out.Method, out.Block)
	default:
		fmt.Printf("%s by %s in block %d; `vision weights set --resume` goes on\n", out.Status, out.Method, out.Block)
	}
	return err
}

func (a *app) weightsPlanCommand() *cobra.Command {
	w := &weighing{}
	c := a.jsonFlag(&cobra.Command{
		Use:   "plan [--weights UID:VALUE,...]",
		Short: "Tell whether weights may be set now, why not, and when",
		Args:  exactArgs(0, "[--weights UID:VALUE,...]"),
		RunE:  func(c *cobra.Command, _ []string) error { return a.planWeights(c, w) },
	})
	w.weightFlags(c)
	c.Flags().StringVar(&w.weights, "weights", "", "`UID:VALUE,...` that would be set")
	return c
}

// planJSON is the answer to "may I set weights now?".
type planJSON struct {
	MaySet     bool           `json:"may_set"`
	Refusals   []refusalJSON  `json:"refusals"`
	Block      uint64         `json:"block"`
	From       uint64         `json:"from_block"` // from which on the rate limit allows it
	Netuid     uint16         `json:"netuid"`
	Hotkey     string         `json:"hotkey"`
	UID        uint16         `json:"uid"`
	Method     chain.Method   `json:"method"`
	VersionKey uint64         `json:"version_key"`
	MinWeights int            `json:"min_allowed_weights"`
	RateLimit  uint64         `json:"rate_limit"`
	LastUpdate uint64         `json:"last_update"`
	Permit     bool           `json:"permit"`
	Tempo      uint64         `json:"tempo"`
	NextEpoch  uint64         `json:"next_epoch"`
	Weights    []chain.Weight `json:"weights"`
	Pending    int            `json:"pending"` // records of earlier calls that are open
}

func (a *app) planWeights(c *cobra.Command, w *weighing) error {
	var weights []chain.Weight
	if w.weights != "" {
		var err error
		if weights, err = parseWeights(w.weights); err != nil {
			return err
		}
	}
	hotkey, err := w.public()
	if err != nil {
		return err
	}
	return w.head(c.Context(), a, func(s *chain.State) error { return a.showPlan(c.Context(), w, s, hotkey, weights) })
}

func (a *app) showPlan(ctx context.Context, w *weighing, s *chain.State, hotkey [32]byte, weights []chain.Weight) error {
	win, err := s.Window(ctx, w.netuid, w.mechanism, hotkey)
	if err != nil {
		return err
	}
	p := planJSON{Block: win.Block, From: win.From, Netuid: w.netuid, Hotkey: wallet.Address(hotkey), UID: win.UID, Method: win.Method,
		VersionKey: win.VersionKey, MinWeights: win.Limits.Min, RateLimit: win.RateLimit, LastUpdate: win.LastUpdate, Permit: win.Permit, Tempo: win.Epochs.Tempo,
		NextEpoch: win.Epochs.First(win.Epochs.At(win.Block) + 1), Weights: weights}
	err = win.Check(chain.Order{Weights: weights})
	p.MaySet, p.Refusals = err == nil, refusals(err)
	if p.Refusals == nil {
		p.Refusals = []refusalJSON{}
		if err != nil {
			p.Refusals = append(p.Refusals, refusalJSON{"Weights", err.Error()})
		}
	}
	records, err := chain.ReadJournal(chain.JournalPath(a.journals(), hotkey))
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.Open() && r.Genesis == s.Runtime.Genesis && r.Netuid == w.netuid {
			p.Pending++
		}
	}
	if a.json {
		return printJSON(os.Stdout, p)
	}
	return printPlan(p)
}

func printPlan(p planJSON) error {
	if p.MaySet {
		fmt.Printf("yes: weights of subnet %d may be set now, at block %d, by %s\n", p.Netuid, p.Block, p.Method)
	} else {
		fmt.Printf("no: not at block %d\n", p.Block)
		for _, r := range p.Refusals {
			fmt.Println("  " + r.Text)
		}
		if p.From > p.Block {
			fmt.Printf("  from block %d on, in %d blocks\n", p.From, p.From-p.Block)
		}
	}
	last := "never"
	if p.LastUpdate > 0 {
		last = fmt.Sprintf("block %d", p.LastUpdate)
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "hotkey\t%s\nuid\t%d\nmethod\t%s\nversion key\t%d\nmin_allowed_weights\t%d\nrate limit\t%d blocks\nlast update\t%s\npermit\t%v\nnext epoch\tblock %d\n",
		p.Hotkey, p.UID, p.Method, p.VersionKey, p.MinWeights, p.RateLimit, last, p.Permit, p.NextEpoch)
	if p.Pending > 0 {
		fmt.Fprintf(t, "open from earlier\t%d (`vision weights set --resume`)\n", p.Pending)
	}
	for _, w := range p.Weights {
		fmt.Fprintf(t, "weight of uid %d\t%d\n", w.UID, w.Value)
	}
	return t.Flush()
}

func (a *app) weightsShowCommand() *cobra.Command {
	w := &weighing{}
	c := a.jsonFlag(&cobra.Command{
		Use:   "show [--uid N]",
		Short: "Show the weights that the chain holds of a validator",
		Args:  exactArgs(0, "[--uid N]"),
		RunE:  func(c *cobra.Command, _ []string) error { return a.showWeights(c, w) },
	})
	w.weightFlags(c)
	c.Flags().IntVar(&w.uid, "uid", -1, "`N` of the validator (default the wallet's hotkey)")
	return c
}

func (a *app) showWeights(c *cobra.Command, w *weighing) error {
	if w.uid > 65535 || w.uid < -1 {
		return &usageError{fmt.Errorf("--uid %d: from 0 to 65535", w.uid)}
	}
	var hotkey [32]byte
	if w.uid < 0 {
		var err error
		if hotkey, err = w.public(); err != nil {
			return err
		}
	}
	return w.head(c.Context(), a, func(s *chain.State) error { return a.printWeights(c.Context(), w, s, hotkey) })
}

func (a *app) printWeights(ctx context.Context, w *weighing, s *chain.State, hotkey [32]byte) error {
	uid := uint16(max(w.uid, 0))
	if w.uid < 0 {
		var err error
		if uid, err = s.UID(ctx, w.netuid, hotkey); err != nil {
			return err
		}
	}
	weights, err := s.Weights(ctx, w.netuid, w.mechanism, uid)
	if err != nil {
		return err
	}
	if a.json {
		if weights == nil {
			weights = []chain.Weight{}
		}
		return printJSON(os.Stdout, map[string]any{"uid": uid, "weights": weights, "block": s.Number, "netuid": w.netuid})
	}
	fmt.Printf("uid %d of subnet %d at block %d: %d weights\n", uid, w.netuid, s.Number, len(weights))
	for _, x := range weights {
		fmt.Printf("%6d %6d\n", x.UID, x.Value)
	}
	return nil
}

func (a *app) weightsHistoryCommand() *cobra.Command {
	w := &weighing{}
	c := a.jsonFlag(&cobra.Command{
		Use:   "history",
		Short: "List what was set with a hotkey from this state folder, and what came of it",
		Args:  exactArgs(0, ""),
		RunE:  func(*cobra.Command, []string) error { return a.weightsHistory(w) },
	})
	w.walletFlags(c)
	return c
}

func (a *app) weightsHistory(w *weighing) error {
	hotkey, err := w.public()
	if err != nil {
		return err
	}
	records, err := chain.ReadJournal(chain.JournalPath(a.journals(), hotkey))
	if err != nil {
		return err
	}
	if a.json {
		public := []chain.Record{}
		for _, r := range records {
			x := *r
			x.Salt, x.Bytes, x.Terms = nil, nil, nil // a salt is secret until its reveal, and then of no use
			public = append(public, x)
		}
		return printJSON(os.Stdout, map[string]any{"records": public})
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "BEGAN\tNETUID\tMETHOD\tSTATUS\tBLOCK\tWEIGHTS\tREASON")
	for _, r := range records {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%d\t%d\t%s\n", r.Began.Format(time.RFC3339), r.Netuid, r.Method, r.Status, r.Block, len(r.Weights), r.Reason)
	}
	return t.Flush()
}
