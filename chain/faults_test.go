package chain_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/vision19/vision/chain"
	"github.com/vision19/vision/chain/devnet"
	"github.com/vision19/vision/chain/rpc"
)

// faulty is a devnet on which things go wrong, with weights that may be set at any time.
type faulty struct {
	*network
	node *devnet.Node
}

func goWrong(t *testing.T, o devnet.Options) *faulty {
	t.Helper()
	o.Netuid, o.Neurons = 19, 4
	node, err := devnet.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	key, _, _ := node.Keys(0)
	return &faulty{&network{client: connect(t, node), netuid: 19, validator: key, writes: true, root: true}, node}
}

func connect(t *testing.T, node *devnet.Node) *chain.Client {
	t.Helper()
	c, err := chain.Dial(t.Context(), rpc.Options{Endpoints: []string{node.Address()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// fault makes something go wrong.
func (f *faulty) fault(t *testing.T, x devnet.Fault) {
	t.Helper()
	if err := f.node.Fault(x); err != nil {
		t.Fatal(err)
	}
}

// blocks makes blocks by hand.
func (f *faulty) blocks(t *testing.T, n int) {
	t.Helper()
	for range n {
		if err := f.node.NewBlock(); err != nil {
			t.Fatal(err)
		}
	}
}

// told counts the events of a name in the finalized blocks from one on.
func (f *faulty) told(t *testing.T, from uint64, name string) int {
	t.Helper()
	final, err := f.client.Finalized(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for number := from; number <= final.Number; number++ {
		hash, err := f.client.BlockHash(t.Context(), number)
		if err != nil {
			t.Fatal(err)
		}
		s, err := f.client.At(t.Context(), hash)
		if err != nil {
			t.Fatal(err)
		}
		events, err := s.Events(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Name == name {
				n++
			}
		}
	}
	return n
}

// pending waits until the node's pool holds n extrinsics.
func (f *faulty) pending(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		var all []string
		if err := f.client.RPC().Call(t.Context(), &all, "author_pendingExtrinsics"); err != nil {
			t.Fatal(err)
		}
		if len(all) == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the pool holds %d extrinsics, not %d", len(all), n)
		}
	}
}

// A socket that ends at any message of setting weights leaves them set, once.
func TestSetter_sets_once_whatever_message_the_socket_ends_at(t *testing.T) {
	for message := 4; message <= 24; message += 2 { // before, Dial itself fails
		t.Run(fmt.Sprint("message ", message), func(t *testing.T) {
			t.Parallel() // each waits a second for its next connection
			f := goWrong(t, devnet.Options{BlockTime: 100 * time.Millisecond})
			s := f.setter(t, f.validator)
			f.fault(t, devnet.Fault{Kind: devnet.Drop, After: message, Count: 1})
			s.Client = connect(t, f.node)
			r, err := s.Begin(t.Context(), chain.Order{Netuid: 19, Weights: f.weights()})
			for again := 0; err != nil && again < 3; again++ { // what a validator does: what is open first, and only then anew
				if open := s.Journal.Pending(s.Client.Genesis(), 19); len(open) > 0 {
					r, err = open[0], s.Finish(t.Context(), open...)
				} else {
					r, err = s.Begin(t.Context(), chain.Order{Netuid: 19, Weights: f.weights()})
				}
			}
			if err != nil || r.Status != chain.Set {
				t.Fatalf("%v, %+v", err, r)
			}
			if n := f.told(t, 1, "WeightsSet"); n != 1 {
				t.Errorf("weights were set %d times", n)
			}
			if s.Client.RPC().Generation() < 2 {
				t.Error("the socket did not end")
			}
		})
	}
}

func TestSetter_waits_for_a_node_that_is_busy(t *testing.T) {
	f := goWrong(t, devnet.Options{BlockTime: 30 * time.Millisecond})
	f.fault(t, devnet.Fault{Kind: devnet.Busy, Count: 2, RetryAfter: 1})
	f.fault(t, devnet.Fault{Kind: devnet.Drop, After: 1, Count: 1})
	f.sets(t, t.Context(), chain.Direct)
	if n := f.told(t, 1, "WeightsSet"); n != 1 {
		t.Errorf("weights were set %d times", n)
	}
}

// outcome is what became of a Begin that runs beside the test.
type outcome struct {
	r   *chain.Record
	err error
}

func (f *faulty) begin(t *testing.T, s *chain.Setter) <-chan outcome {
	t.Helper()
	done := make(chan outcome, 1)
	go func() {
		r, err := s.Begin(context.WithoutCancel(t.Context()), chain.Order{Netuid: 19, Weights: f.weights()})
		done <- outcome{r, err}
	}()
	f.pending(t, 1)
	return done
}

func TestSubmit_finds_an_extrinsic_that_a_fork_moved_to_another_block(t *testing.T) {
	f := goWrong(t, devnet.Options{FinalityLag: 3})
	f.blocks(t, 5)
	done := f.begin(t, f.setter(t, f.validator))
	f.blocks(t, 1)
	f.fault(t, devnet.Fault{Kind: devnet.Fork, Blocks: 1})
	f.blocks(t, 8)
	if o := <-done; o.err != nil || o.r.Status != chain.Set {
		t.Fatalf("%v, %+v", o.err, o.r)
	}
	if n := f.told(t, 1, "WeightsSet"); n != 1 {
		t.Errorf("weights were set %d times", n)
	}
}

// What a node answered as taken may never be included. It is known when its time is past, and only then set anew.
func TestSetter_begins_anew_only_when_the_lost_extrinsic_can_never_come(t *testing.T) {
	for what, lose := range map[string]func(*testing.T, *faulty) <-chan outcome{
		"a fork that loses it": func(t *testing.T, f *faulty) <-chan outcome {
			done := f.begin(t, f.setter(t, f.validator))
			f.blocks(t, 1)
			f.fault(t, devnet.Fault{Kind: devnet.Fork, Blocks: 1, Lost: true})
			return done
		},
		"a node that loses it": func(t *testing.T, f *faulty) <-chan outcome {
			f.fault(t, devnet.Fault{Kind: devnet.Lose, Count: 1})
			done := make(chan outcome, 1)
			submitted := make(chan struct{})
			s := f.setter(t, f.validator)
			s.Say = func(r *chain.Record) {
				if r.Status == chain.Submitted {
					close(submitted)
				}
			}
			go func() {
				r, err := s.Begin(context.WithoutCancel(t.Context()), chain.Order{Netuid: 19, Weights: f.weights()})
				done <- outcome{r, err}
			}()
			<-submitted
			return done
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := goWrong(t, devnet.Options{FinalityLag: 3})
			f.blocks(t, 5)
			done := lose(t, f)
			f.blocks(t, 80) // until the extrinsic's time is past
			if o := <-done; !errors.Is(o.err, chain.ErrExpired) || o.r.Status != chain.Failed || o.r.Reason == "" {
				t.Fatalf("%v, %+v", o.err, o.r)
			}
			again := f.begin(t, f.setter(t, f.validator))
			f.blocks(t, 6)
			if o := <-again; o.err != nil || o.r.Status != chain.Set {
				t.Fatalf("anew: %v, %+v", o.err, o.r)
			}
			if n := f.told(t, 1, "WeightsSet"); n != 1 {
				t.Errorf("weights were set %d times", n)
			}
		})
	}
}

func TestSubmit_tells_that_another_process_uses_the_hotkey(t *testing.T) {
	f := goWrong(t, devnet.Options{})
	f.blocks(t, 5)
	call := []any{uint16(19), []uint16{0}, []uint16{1}, uint64(1)}
	mine, err := f.client.Sign(t.Context(), f.validator, "SubtensorModule", "set_weights", call...)
	if err != nil {
		t.Fatal(err)
	}
	call[2] = []uint16{2}
	call[1] = []uint16{1}
	theirs, err := connect(t, f.node).Sign(t.Context(), f.validator, "SubtensorModule", "set_weights", call...)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := f.client.Submit(context.WithoutCancel(t.Context()), f.validator, theirs)
		done <- err
	}()
	f.pending(t, 1)
	other := connect(t, f.node)
	_, err = other.Submit(t.Context(), f.validator, mine)
	var r *chain.Refusal
	if !errors.As(err, &r) || r.Name != "PriorityTooLow" {
		t.Errorf("while the other waits: %v", err)
	}
	if _, err := other.Sign(t.Context(), f.validator, "SubtensorModule", "set_weights", call...); !errors.Is(err, chain.ErrInFlight) {
		t.Errorf("signing while the other waits: %v", err)
	}
	f.blocks(t, 5)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err = other.Submit(t.Context(), f.validator, mine); !errors.As(err, &r) || r.Name != "Stale" {
		t.Errorf("after the other: %v", err)
	}
	if _, err = other.Await(t.Context(), f.validator.Public(), mine); !errors.Is(err, chain.ErrReplaced) {
		t.Errorf("waiting for it: %v", err)
	}
}

func TestSubmit_of_what_is_outdated_is_refused(t *testing.T) {
	f := goWrong(t, devnet.Options{})
	f.blocks(t, 5)
	x, err := f.client.Sign(t.Context(), f.validator, "SubtensorModule", "set_weights", uint16(19), []uint16{0}, []uint16{1}, uint64(1))
	if err != nil {
		t.Fatal(err)
	}
	f.blocks(t, 70)
	_, err = f.client.Submit(t.Context(), f.validator, x)
	refused(t, err, "Stale", "AncientBirthBlock", "BadProof")
	if _, err := f.client.Await(t.Context(), f.validator.Public(), x); !errors.Is(err, chain.ErrExpired) {
		t.Errorf("waiting for it: %v", err)
	}
}

// A validator that ends at any point, and begins anew with its journal, reveals what it committed, or says why not; it never loses a salt.
func TestSetter_goes_on_after_a_crash_at_any_point(t *testing.T) {
	for _, method := range []chain.Method{chain.Direct, chain.V2, chain.V4} {
		for _, point := range []chain.Status{chain.Submitted, chain.Committed, chain.Revealing} {
			if method == chain.Direct && point != chain.Submitted || method == chain.V4 && point == chain.Revealing {
				continue
			}
			t.Run(string(method)+" "+string(point), func(t *testing.T) {
				t.Parallel()
				mode := map[chain.Method]devnet.CommitReveal{chain.V2: devnet.V2, chain.V4: devnet.V4}[method]
				f := goWrong(t, devnet.Options{BlockTime: 50 * time.Millisecond, Tempo: 60, CommitReveal: mode})
				weights, dir := f.weights(), filepath.Join(t.TempDir(), "journal")
				crash(t, f, dir, weights, point)

				j, err := chain.OpenJournal(dir, f.validator.Public())
				if err != nil {
					t.Fatal(err)
				}
				defer j.Close()
				client := connect(t, f.node)
				s := &chain.Setter{Client: client, Key: f.validator, Journal: j}
				open := j.Pending(client.Genesis(), 19)
				if len(open) != 1 || method == chain.V2 && len(open[0].Salt) == 0 {
					t.Fatalf("the journal holds %+v", open)
				}
				err = s.Finish(t.Context(), open...)
				if r := open[0]; err != nil || r.Status != chain.Set {
					t.Fatalf("%v, %+v", err, r)
				}
				if got, err := f.head(t, t.Context()).Weights(t.Context(), 19, 0, 0); err != nil || !chain.Kept(got, weights) {
					t.Errorf("the chain holds %v, %v, want %v", got, err, weights)
				}
				if n := f.told(t, 1, "WeightsSet"); method != chain.V4 && n > 1 {
					t.Errorf("weights were set %d times", n)
				}
			})
		}
	}
}

// crash runs a setter that ends as soon as its record has reached a status, and closes its journal.
func crash(t *testing.T, f *faulty, dir string, weights []chain.Weight, point chain.Status) {
	t.Helper()
	j, err := chain.OpenJournal(dir, f.validator.Public())
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := &chain.Setter{Client: connect(t, f.node), Key: f.validator, Journal: j, Say: func(r *chain.Record) {
		if r.Status == point {
			cancel()
		}
	}}
	r, err := s.Begin(ctx, chain.Order{Netuid: 19, Weights: weights})
	if err == nil {
		err = s.Finish(ctx, r)
	}
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("it did not crash: %v", err)
	}
}

func TestSetter_tells_commits_that_later_ones_superseded(t *testing.T) {
	f := goWrong(t, devnet.Options{BlockTime: 50 * time.Millisecond, Tempo: 60, CommitReveal: devnet.V4})
	if !f.set(t, t.Context(), "sudo_set_weights_set_rate_limit", uint64(0)) {
		t.Fatal("the rate limit is not 0")
	}
	s := f.setter(t, f.validator)
	var records []*chain.Record
	for range 2 {
		r, err := s.Begin(t.Context(), chain.Order{Netuid: 19, Weights: f.weights()})
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	if err := s.Finish(t.Context(), records...); err != nil || records[0].Status != chain.Superseded || records[1].Status != chain.Set {
		t.Errorf("%v, %s, %s", err, records[0].Status, records[1].Status)
	}
}

func TestWatch_tells_of_a_place_that_changed_hands(t *testing.T) {
	f := goWrong(t, devnet.Options{})
	f.blocks(t, 3)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := make(chan []chain.Change, 2)
	ended := make(chan error, 1)
	stop := errors.New("seen")
	go func() {
		ended <- f.client.Watch(ctx, 19, func(now *chain.Metagraph, changes []chain.Change) error {
			told <- changes
			if changes == nil {
				return nil
			}
			return stop
		})
	}()
	if first := <-told; first != nil {
		t.Fatalf("first there were changes: %v", first)
	}
	newcomer := mustURI("//Bob//hot").Public()
	done := make(chan error, 1)
	go func() {
		done <- f.submit(context.WithoutCancel(ctx), mustURI("//Alice"), "SubtensorModule", "burned_register", uint16(19), newcomer)
	}()
	f.pending(t, 1)
	f.blocks(t, 5)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	changes := <-told
	if len(changes) != 1 || changes[0].UID != 4 || changes[0].New != newcomer || changes[0].Old != [32]byte{} {
		t.Errorf("%+v", changes)
	}
	if err := <-ended; !errors.Is(err, stop) {
		t.Error(err)
	}
}

func TestHyperparameters_are_those_of_the_subnet(t *testing.T) {
	f := goWrong(t, devnet.Options{Tempo: 33})
	f.blocks(t, 1)
	h, err := f.head(t, t.Context()).Hyperparameters(t.Context(), 19)
	if err != nil || h.Get("tempo") != uint64(33) || h.Get("weights_version") == nil && h.Get("weights_version_key") == nil {
		t.Errorf("%v, %v", h, err)
	}
	if _, err := f.head(t, t.Context()).Hyperparameters(t.Context(), 77); !errors.Is(err, chain.ErrNoSubnet) {
		t.Errorf("of a subnet that there is not: %v", err)
	}
}
