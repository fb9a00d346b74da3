package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// CommitReveal is whether weights are hidden until they are no longer news.
type CommitReveal byte

// V2 and V4 differ in the version that the chain asks for: V4 takes the calls of both, V2 only its own.
const (
	Off CommitReveal = iota // set_weights
	V2                      // commit_weights and reveal_weights
	V4                      // commit_timelocked_weights
)

// commitReveals are the names of the ways.
var commitReveals = []string{"off", "v2", "v4"}

// String is off, v2 or v4.
func (c CommitReveal) String() string { return commitReveals[min(int(c), len(commitReveals)-1)] }

// UnmarshalText reads what String gives; the error says what is right.
func (c *CommitReveal) UnmarshalText(b []byte) error {
	i := slices.Index(commitReveals, string(b))
	if i < 0 {
		return fmt.Errorf("commit-reveal %q, where off, v2 or v4 are right", b)
	}
	*c = CommitReveal(i)
	return nil
}

// maxCoins bounds the balances and the stake of genesis each, so that no sum of them, nor a share in 64 fractional bits, leaves its type.
const maxCoins = 1 << 62

// Genesis is block 0's state: one subnet, ready.
type Genesis struct {
	Time         time.Time
	Netuid       uint16   // 1 to 4095
	Neurons      []Neuron // at most 256
	Owner        [32]byte // coldkey of the subnet's owner; its hotkey is the first neuron of that coldkey, if any
	CommitReveal CommitReveal
	RevealPeriod uint64              // epochs, 0 means 1
	Tempo        uint16              // blocks of an epoch; 0 means 360
	RateLimit    uint64              // blocks between weights; 0 means 100
	Rich         map[[32]byte]uint64 // free balances, rao, at most 2^62 together
	Sudo         [32]byte            // whose calls of Sudo run as root
}

// A Neuron has its place in the list as uid, and a validator's permit from the beginning if it has stake.
type Neuron struct {
	Hotkey, Coldkey [32]byte
	Stake           uint64 // rao
}

// Genesis writes the state before block 1. The first weights of each neuron are free, as LastUpdate is 0; min_allowed_weights and weights_version_key are 1,
// and AdminFreezeWindow 0, which would be all of a short epoch. The error says which of the bounds g is beyond; the store is then as it was.
func (r *Runtime) Genesis(store Store, g Genesis) error {
	switch {
	case g.Netuid == 0 || g.Netuid >= 4096:
		return fmt.Errorf("genesis: netuid %d, where 1 to 4095 are subnets", g.Netuid)
	case len(g.Neurons) > maxUIDs:
		return fmt.Errorf("genesis: %d neurons, at most %d fit a subnet", len(g.Neurons), maxUIDs)
	}
	s := state{r, over(store)}
	netuid := uint64(g.Netuid)
	s.put(0, "System.Number")
	r.Upgrade(s)
	s.put(max(0, g.Time.UnixMilli()), "Timestamp.Now")
	s.put(g.Sudo, "Sudo.Key")
	s.beaconConfig()
	var issued uint64
	for _, who := range slices.SortedFunc(maps.Keys(g.Rich), func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) }) {
		amount := g.Rich[who]
		if amount > maxCoins-issued {
			return errors.New("genesis: all balances together are more than 2^62 rao")
		}
		issued += amount
		s.setAccount(who[:], info{providers: 1, free: amount})
	}
	s.put(issued, "Balances.TotalIssuance")
	s.put(issued, "TotalIssuance")
	s.put(0, "AdminFreezeWindow")
	var ownerHotkey [32]byte
	for i := len(g.Neurons) - 1; i >= 0; i-- {
		if g.Neurons[i].Coldkey == g.Owner {
			ownerHotkey = g.Neurons[i].Hotkey
		}
	}
	s.addSubnet(netuid, g.Owner[:], ownerHotkey[:])
	s.put(1, "MinAllowedWeights", netuid)
	s.put(1, "WeightsVersionKey", netuid)
	s.put(g.CommitReveal != Off, "CommitRevealWeightsEnabled", netuid)
	if g.CommitReveal == V2 {
		s.put(2, "CommitRevealWeightsVersion") // so that clients take the way that this chain is to show
	}
	set := func(value uint64, entry string) {
		if value != 0 {
			s.put(value, entry, netuid)
		}
	}
	set(uint64(g.Tempo), "Tempo")
	set(g.RateLimit, "WeightsSetRateLimit")
	set(g.RevealPeriod, "RevealPeriodEpochs")
	var staked uint64
	permits := make([]bool, len(g.Neurons))
	for uid, n := range g.Neurons {
		if s.has("Uids", netuid, n.Hotkey) || !s.own(n.Coldkey[:], n.Hotkey[:]) {
			return fmt.Errorf("genesis: the hotkey of uid %d is another neuron's already", uid)
		}
		if n.Stake > maxCoins-staked {
			return errors.New("genesis: all stake together is more than 2^62 rao")
		}
		s.seat(netuid, uint64(uid), n.Hotkey[:], 0)
		s.raise(n.Hotkey[:], netuid, n.Stake)
		staked += n.Stake
		permits[uid] = n.Stake > 0
	}
	s.put(permits, "ValidatorPermit", netuid)
	s.put(staked, "TotalStake")
	s.put([32]byte{}, "System.ParentHash")
	if l, ok := s.Store.(*layer); ok {
		l.commit()
	}
	return nil
}

// beaconConfig tells which beacon the chain follows.
func (s state) beaconConfig() {
	b := s.beacon
	s.put(fields("public_key", b.Key[:], "period", uint32(b.Period), "genesis_time", uint32(b.Genesis), "hash", []byte{}, "group_hash", []byte{},
		"scheme_id", []byte("bls-unchained-g1-rfc9380"), "metadata", fields("beacon_id", []byte("quicknet"))), "Drand.BeaconConfig")
}
