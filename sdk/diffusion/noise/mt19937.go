package noise

const (
	words  = 624 // of state
	middle = 397 // distance of the words that are combined
)

// mt19937 is the Mersenne Twister of Matsumoto and Nishimura, ACM TOMACS 8 (1998), with the seeding of its 2002 version.
type mt19937 struct {
	state [words]uint32
	next  int // words used since the last twist
}

func (m *mt19937) seed(seed uint32) {
	m.state[0] = seed
	for i := 1; i < words; i++ {
		before := m.state[i-1]
		m.state[i] = 1812433253*(before^before>>30) + uint32(i)
	}
	m.next = words
}

// twist makes the next state, in place.
func (m *mt19937) twist() {
	for i := range words {
		y := m.state[i]&0x80000000 | m.state[(i+1)%words]&0x7fffffff
		v := m.state[(i+middle)%words] ^ y>>1
		if y&1 != 0 {
			v ^= 0x9908b0df
		}
		m.state[i] = v
	}
	m.next = 0
}

func (m *mt19937) uint32() uint32 {
	if m.next == words {
		m.twist()
	}
	y := m.state[m.next]
	m.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}
