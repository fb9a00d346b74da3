// Package devnet is a local chain in one process, for tests and for trying things out: blocks, a pool, JSON-RPC over websocket and HTTP as
// a node of Substrate has it, and faults on purpose. There are no peers and no consensus, state roots are no trie roots, and time is made:
// each block is 12 s after its parent, whatever the wall clock says. Who reaches its port may do anything with it.
package devnet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/vision19/vision/chain/devnet/runtime"
	"github.com/vision19/vision/chain/tlock"
	"github.com/vision19/vision/chain/wallet"
)

const (
	// maxNeurons bounds a genesis: subtensor's subnets have at most 256.
	maxNeurons = 256
	// saveEvery is how often a changed state is written: a crash loses the blocks since.
	saveEvery = time.Second
)

// ErrOptions is an option out of range.
var ErrOptions = errors.New("an option of the devnet is out of range")

// CommitReveal is how the genesis subnet takes weights; its text is off, v2 or v4.
type CommitReveal = runtime.CommitReveal

// The ways of CommitReveal.
const (
	Off = runtime.Off // set_weights
	V2  = runtime.V2  // a hash, and later what it is of
	V4  = runtime.V4  // encrypted for a round of drand
)

// Options are a devnet's. The zero value is a new chain in memory on a free port of 127.0.0.1, with blocks by hand.
type Options struct {
	Listen       string        // host:port; empty: 127.0.0.1:0. A fault is anyone's to set, so a loopback address is wise
	BlockTime    time.Duration // 0: only dev_newBlock and NewBlock make blocks; else 10 ms to 1 h. Subtensor's is 12 s
	State        string        // folder of devnet.state; empty: nothing is kept
	Netuid       uint16        // of the subnet that the genesis has: 1 to 4095; 0: 1
	Neurons      int           // 1 to 256; 0: 8
	WalletPath   string        // folder for dev0, dev1, ..., each with hotkey default, and for default if there is none; empty: none are written
	CommitReveal CommitReveal
	Tempo        uint16           // blocks of an epoch; 0: 360
	FinalityLag  uint32           // blocks, up to 4095; 0: 2
	Clock        func() time.Time // of the genesis; nil: time.Now
	Log          *slog.Logger     // nil: none

	kept uint32 // blocks that keep their state; 0: keptBlocks
}

// Node is a running devnet. Its methods may be called at once.
type Node struct {
	ctx      context.Context
	stop     context.CancelFunc
	options  Options
	keys     keys
	signer   *tlock.Signer
	listener net.Listener
	server   *http.Server
	lock     *os.File
	work     sync.WaitGroup
	close    func() error
	log      *slog.Logger

	faults  *faults
	posts   chan struct{}
	sockets chan struct{}

	mu      sync.Mutex // guards what follows
	chain   *chain
	saved   saved
	subs    map[string]*subscription
	lastSub uint64
}

func (o Options) complete() (Options, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Netuid == 0 {
		o.Netuid = 1
	}
	if o.Neurons == 0 {
		o.Neurons = 8
	}
	if o.FinalityLag == 0 {
		o.FinalityLag = 2
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.kept == 0 {
		o.kept = keptBlocks
	}
	switch {
	case o.Netuid >= 4096:
		return o, fmt.Errorf("%w: netuid %d; 1 to 4095", ErrOptions, o.Netuid)
	case o.Neurons < 0 || o.Neurons > maxNeurons:
		return o, fmt.Errorf("%w: %d neurons; 1 to %d", ErrOptions, o.Neurons, maxNeurons)
	case o.BlockTime != 0 && (o.BlockTime < 10*time.Millisecond || o.BlockTime > time.Hour):
		return o, fmt.Errorf("%w: block time %s; 0, or 10ms to 1h", ErrOptions, o.BlockTime)
	case o.FinalityLag >= o.kept:
		return o, fmt.Errorf("%w: finality lag %d; up to %d", ErrOptions, o.FinalityLag, o.kept-1)
	case o.CommitReveal > V4:
		return o, fmt.Errorf("%w: commit-reveal %d; Off, V2 or V4", ErrOptions, o.CommitReveal)
	}
	return o, nil
}

// Start runs a devnet until Close, or the context's end. On a folder with a state it goes on with that chain: Netuid, Neurons,
// CommitReveal and Tempo are then those of its genesis. The error wraps ErrOptions, ErrState, ErrLocked, wallet's ErrKeyfile or ErrExists.
func Start(ctx context.Context, o Options) (_ *Node, err error) {
	o, err = o.complete()
	if err != nil {
		return nil, err
	}
	n := &Node{options: o, log: o.Log, faults: newFaults(), posts: make(chan struct{}, maxConnections),
		sockets: make(chan struct{}, maxConnections), subs: map[string]*subscription{}}
	n.ctx, n.stop = context.WithCancel(ctx)
	n.close = sync.OnceValue(n.shut)
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	if o.State != "" {
		if n.lock, err = lock(o.State); err != nil {
			return nil, err
		}
	}
	if err = n.open(); err != nil {
		return nil, err
	}
	if o.WalletPath != "" {
		if err = n.keys.write(o.WalletPath); err != nil {
			return nil, err
		}
	}
	if n.listener, err = net.Listen("tcp", o.Listen); err != nil {
		return nil, fmt.Errorf("devnet: %w", err)
	}
	n.server = &http.Server{Handler: n, ReadHeaderTimeout: 10 * time.Second}
	n.work.Go(func() { _ = n.server.Serve(n.listener) }) // ends with Close
	if o.BlockTime > 0 {
		n.work.Go(n.tick)
	}
	if o.State != "" {
		n.work.Go(n.keep)
	}
	context.AfterFunc(n.ctx, func() { _ = n.close() })
	return n, nil
}

// open reads the state, or makes the genesis.
func (n *Node) open() error {
	var s *saved
	var err error
	if n.options.State != "" {
		if s, err = load(n.options.State); err != nil {
			return err
		}
	}
	isNew := s == nil
	if isNew {
		s = &saved{start: n.options.Clock().UnixMilli() / 1000 * 1000, netuid: n.options.Netuid, neurons: uint16(n.options.Neurons)}
		if _, err := rand.Read(s.seed[:]); err != nil {
			return fmt.Errorf("devnet: %w", err)
		}
	}
	if n.keys, err = deriveKeys(s.seed, int(s.neurons)); err != nil {
		return err
	}
	beaconSeed := n.keys.derive("beacon", 0)
	// Rounds are numbered as on quicknet, so that only its key differs.
	if n.signer, err = tlock.NewSigner(beaconSeed[:], tlock.Quicknet.Genesis, tlock.Quicknet.Period); err != nil {
		return fmt.Errorf("devnet: %w", err)
	}
	if isNew {
		if err := n.first(s); err != nil {
			return err
		}
	} else {
		spec, _ := runtime.SpecOf(&state{s.head.state})
		s.head.runtime = runtime.New(spec, n.signer.Beacon())
	}
	n.saved = *s
	n.chain = &chain{start: time.UnixMilli(s.start).UTC(), lag: n.options.FinalityLag, branch: s.head.branch, kept: n.options.kept, tell: n, signer: n.signer}
	n.chain.begin(s.genesis, s.head)
	return nil
}

func (n *Node) first(s *saved) error {
	g := runtime.Genesis{Time: time.UnixMilli(s.start).UTC(), Netuid: s.netuid, Tempo: n.options.Tempo, CommitReveal: n.options.CommitReveal,
		Rich: map[[32]byte]uint64{}}
	const tao = 1_000_000_000
	for uid := range n.keys.hot {
		cold := n.keys.cold[uid].Public()
		g.Neurons = append(g.Neurons, runtime.Neuron{Hotkey: n.keys.hot[uid].Public(), Coldkey: cold, Stake: 1000 * tao})
		g.Rich[cold] = 10_000 * tao
	}
	alice, err := wallet.FromURI("//Alice")
	if err != nil {
		return fmt.Errorf("devnet: %w", err)
	}
	g.Owner, g.Sudo = n.keys.cold[0].Public(), alice.Public()
	g.Rich[g.Sudo] = 1_000_000 * tao
	st := &state{}
	s.head = &block{runtime: runtime.New(runtime.Spec, n.signer.Beacon())}
	if err := s.head.runtime.Genesis(st, g); err != nil {
		return fmt.Errorf("genesis of the devnet: %w", err)
	}
	s.head.seal(st.tree)
	s.genesis = s.head
	return nil
}

// tick makes a block every BlockTime. Where that is too fast for the machine, calls get half of the time.
func (n *Node) tick() {
	t := time.NewTimer(n.options.BlockTime)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-n.ctx.Done():
			return
		}
		began := time.Now()
		if _, halted := n.faults.take(Halt); !halted {
			if err := n.NewBlock(); err != nil {
				n.log.Error("no block was made", "error", err)
			}
		}
		took := time.Since(began)
		t.Reset(max(n.options.BlockTime-took, took))
	}
}

// keep writes the state while the chain goes on.
func (n *Node) keep() {
	t := time.NewTicker(saveEvery)
	defer t.Stop()
	var last hash
	for {
		s := n.snapshot()
		if s.head.hash != last {
			if err := s.write(n.options.State); err != nil {
				n.log.Error("the state was not written", "error", err)
			} else {
				last = s.head.hash
			}
		}
		select {
		case <-t.C:
		case <-n.ctx.Done():
			return
		}
	}
}

// snapshot is what a file holds now. Blocks never change.
func (n *Node) snapshot() *saved {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.saved
	s.head, s.genesis = n.chain.head, n.chain.genesis
	return &s
}

// Close ends the node, and writes its state. The error is one of the file's.
func (n *Node) Close() error { return n.close() }

func (n *Node) shut() error {
	n.mu.Lock() // whoever enters from here on finds that it has ended
	n.stop()
	n.mu.Unlock()
	var errs []error
	if n.server != nil {
		errs = append(errs, n.server.Close())
	}
	n.work.Wait()
	if n.lock != nil {
		if n.chain != nil {
			errs = append(errs, n.snapshot().write(n.options.State))
		}
		errs = append(errs, n.lock.Close())
	}
	return errors.Join(errs...)
}

// Address is the websocket's: ws://127.0.0.1:PORT.
func (n *Node) Address() string { return "ws://" + n.listener.Addr().String() }

// HTTP is where calls are posted: http://127.0.0.1:PORT.
func (n *Node) HTTP() string { return "http://" + n.listener.Addr().String() }

// Beacon is the drand network that the chain follows.
func (n *Node) Beacon() tlock.Beacon { return n.signer.Beacon() }

// Netuid is that of the subnet which the genesis has.
func (n *Node) Netuid() uint16 { return n.saved.netuid }

// Keys are a neuron's of the genesis. ok is false where there is no such uid.
func (n *Node) Keys(uid int) (hotkey, coldkey wallet.Keypair, ok bool) {
	if uid < 0 || uid >= len(n.keys.hot) {
		return hotkey, coldkey, false
	}
	return n.keys.hot[uid], n.keys.cold[uid], true
}

// Head is the newest block's number, hash and time.
func (n *Node) Head() (number uint32, hash [32]byte, at time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.chain.head.number, n.chain.head.hash, n.chain.time(n.chain.head.number)
}

// NewBlock makes a block now. An error is a mistake of this package; the chain is then as it was.
func (n *Node) NewBlock() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.chain.build()
}

// Fault sets a fault. The error wraps ErrFault or ErrFinal.
func (n *Node) Fault(f Fault) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.fault(f)
}

func (n *Node) fault(f Fault) error {
	switch f.Kind {
	case Fork:
		return n.chain.fork(f.Blocks, f.Lost)
	case Upgrade:
		n.chain.upgrade = true
		return nil
	default:
		return n.faults.set(f)
	}
}
