package validator

import (
	"net/netip"
	"testing"
)

func TestPublic_tells_the_internet_from_every_other_network(t *testing.T) {
	for _, c := range []struct {
		address string
		want    bool
	}{
		{"1.1.1.1", true},
		{"9.255.255.255", true},
		{"11.0.0.0", true},
		{"100.63.255.255", true},
		{"100.128.0.0", true},
		{"172.15.255.255", true},
		{"172.32.0.0", true},
		{"192.0.1.0", true},
		{"198.17.255.255", true},
		{"198.20.0.0", true},
		{"223.255.255.255", true},
		{"2606:4700:4700::1111", true},
		{"2a00:1450:4001:800::200e", true},
		{"2001:4860:4860::8888", true},
		{"::ffff:1.1.1.1", true},
		{"64:ff9b::1.1.1.1", true},

		{"0.0.0.0", false},
		{"0.1.2.3", false},
		{"10.0.0.1", false},
		{"10.255.255.255", false},
		{"100.64.0.1", false},
		{"100.127.255.255", false},
		{"127.0.0.1", false},
		{"127.255.255.254", false},
		{"169.254.169.254", false},
		{"172.16.0.1", false},
		{"172.31.255.255", false},
		{"192.0.0.1", false},
		{"192.0.0.255", false},
		{"192.0.2.1", false},
		{"192.88.99.1", false},
		{"192.168.1.1", false},
		{"198.18.0.1", false},
		{"198.19.255.255", false},
		{"198.51.100.1", false},
		{"203.0.113.1", false},
		{"224.0.0.1", false},
		{"239.255.255.255", false},
		{"240.0.0.1", false},
		{"255.255.255.255", false},

		{"::", false},
		{"::1", false},
		{"::10.0.0.1", false},
		{"::1.1.1.1", false},
		{"::ffff:10.0.0.1", false},
		{"::ffff:127.0.0.1", false},
		{"::ffff:169.254.169.254", false},
		{"::ffff:0:127.0.0.1", false},
		{"64:ff9b::10.0.0.1", false},
		{"64:ff9b::127.0.0.1", false},
		{"64:ff9b::169.254.169.254", false},
		{"64:ff9b:1::1.1.1.1", false},
		{"100::1", false},
		{"2001::1", false},
		{"2001:2::1", false},
		{"2001:20::1", false},
		{"2001:1ff::1", false},
		{"2001:db8::1", false},
		{"2002:a00:1::1", false},
		{"2002:7f00:1::1", false},
		{"2002:101:101::1", false},
		{"3fff::1", false},
		{"4000::1", false},
		{"5f00::1", false},
		{"fc00::1", false},
		{"fd12:3456::1", false},
		{"fe80::1", false},
		{"fe80::1%eth0", false},
		{"2606:4700:4700::1111%eth0", false},
		{"fec0::1", false},
		{"ff02::1", false},
	} {
		if got := public(netip.MustParseAddr(c.address)); got != c.want {
			t.Errorf("%s: got %v", c.address, got)
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address counts as public")
	}
}
