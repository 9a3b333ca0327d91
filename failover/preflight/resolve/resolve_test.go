package resolve_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"lifeboat/failover/preflight/resolve"
)

// serve answers one question as change says.
func serve(t *testing.T, change func(*dnsmessage.Message)) resolve.Server {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buffer := make([]byte, 512)
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buffer[:n]) != nil {
			return
		}
		m.Response = true
		change(&m)
		packed, err := m.Pack()
		if err == nil {
			_, _ = conn.WriteTo(packed, from)
		}
	}()
	return resolve.Server(conn.LocalAddr().String())
}

func answer(m *dnsmessage.Message, ttl uint32) {
	m.Answers = append(m.Answers, dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: ttl},
		Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}})
}

func TestTTLIsTheShortestOfTheChain(t *testing.T) {
	t.Parallel()
	ttl, err := serve(t, func(m *dnsmessage.Message) { answer(m, 300); answer(m, 30) }).TTL(t.Context(), "app.careful.example")
	require.NoError(t, err)
	require.Equal(t, 30*time.Second, ttl)
}

func TestBadAnswers(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*dnsmessage.Message){
		"no address":       func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeNameError },
		"another question": func(m *dnsmessage.Message) { m.ID++; answer(m, 30) },
	} {
		_, err := serve(t, change).TTL(t.Context(), "app.careful.example")
		require.ErrorContains(t, err, want)
	}
	_, err := resolve.Server("127.0.0.1:1").TTL(t.Context(), "app.careful.example")
	require.Error(t, err)
}

func TestSystem(t *testing.T) {
	t.Parallel()
	s, err := resolve.System([]byte("# x\nsearch a\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n"))
	require.NoError(t, err)
	require.Equal(t, resolve.Server("10.0.0.2:53"), s)
	_, err = resolve.System(nil)
	require.Error(t, err)
}
