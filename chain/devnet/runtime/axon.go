package runtime

import (
	"math"
	"math/big"

	"github.com/vision19/vision/chain/scale"
)

// checkAxon is validate_serve_axon in subnets/serving.rs.
func (s state) checkAxon(hotkey []byte, netuid uint64, a args) error {
	ip, _ := a.Get("ip").(*big.Int)
	prev, _ := s.get("Axons", netuid, hotkey).(scale.Struct)
	last, limit := args{prev}.n("block"), s.number("ServingRateLimit", netuid)
	switch kind := a.n("ip_type"); {
	case !s.has("Uids", netuid, hotkey):
		return fail("HotKeyNotRegisteredInNetwork")
	case kind != 4 && kind != 6:
		return fail("InvalidIpType")
	case !validIP(kind, ip):
		return fail("InvalidIpAddress")
	case limit != 0 && last != 0 && s.block()-min(last, s.block()) < limit:
		return fail("ServingRateLimitExceeded")
	case a.n("port") == 0:
		return fail("InvalidPort")
	}
	return nil
}

// validIP allows all but loopback, broadcast and what is too large for its kind. 0 is allowed: it says that nothing is served.
func validIP(kind uint64, ip *big.Int) bool {
	if kind == 4 {
		return ip.Cmp(big.NewInt(math.MaxUint32)) < 0 && ip.Cmp(big.NewInt(0x7f000001)) != 0
	}
	most := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1))
	return ip.Cmp(most) != 0 && ip.Cmp(big.NewInt(1)) != 0
}

// serveAxon announces where a neuron listens.
func (s state) serveAxon(hotkey []byte, netuid uint64, a args) error {
	if err := s.checkAxon(hotkey, netuid, a); err != nil {
		return err
	}
	axon := fields("block", s.block())
	for _, f := range []string{"version", "ip", "port", "ip_type", "protocol", "placeholder1", "placeholder2"} {
		axon = append(axon, scale.Member{Name: f, Value: a.Get(f)})
	}
	s.put(axon, "Axons", netuid, hotkey)
	s.emit("AxonServed", netuid, hotkey)
	return nil
}
