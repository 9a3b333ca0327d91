package budget

import "math"

// point is one measured part: what it would have taken by the presets, and what it took.
type point struct{ fixed, work, seconds float64 }

// stretch turns preset seconds into those of this machine and this database. The zero
// value is no stretch at all: both are logarithms.
type stretch struct{ fixed, work float64 }

func (s stretch) at(fixed, work float64) float64 {
	return math.Exp(s.fixed)*fixed + math.Exp(s.work)*work
}

// How sure the fit is, as logarithms: restores of one size differ by a tenth or so, and a
// machine or a server may well be ten times faster or slower than the one that the presets
// were measured on.
const (
	noise   = 0.1
	unknown = 2.3
)

// least keeps logarithms finite where a part had nothing to do, seconds.
const least = 1e-6

// fit finds the stretch that is most likely, given what was measured and that the presets
// are not far from the truth. All errors count by their share, so a small restore weighs as
// much as a large one. One point moves the part that it is made of and leaves the other as
// it is preset; points of different sizes tell the two apart. It is a least-squares fit in
// two unknowns, by Newton's method on the linearised errors.
func fit(points []point) stretch {
	const (
		rounds  = 50
		longest = 1.0 // a step; the error is not linear over more
	)
	var s stretch
	for range rounds {
		// The normal equations a·d = b, begun with what is known without any measurement.
		known := 1 / (unknown * unknown)
		a11, a12, a22 := known, 0.0, known
		b1, b2 := -s.fixed*known, -s.work*known
		for _, p := range points {
			fixed, work := math.Exp(s.fixed)*p.fixed, math.Exp(s.work)*p.work
			whole := max(fixed+work, least)
			off := math.Log(max(p.seconds, least)/whole) / noise
			d1, d2 := fixed/whole/noise, work/whole/noise
			a11, a12, a22 = a11+d1*d1, a12+d1*d2, a22+d2*d2
			b1, b2 = b1+d1*off, b2+d2*off
		}
		det := a11*a22 - a12*a12
		d1, d2 := (b1*a22-b2*a12)/det, (b2*a11-b1*a12)/det
		shorten := min(1, longest/max(math.Abs(d1), math.Abs(d2), least))
		s.fixed, s.work = s.fixed+d1*shorten, s.work+d2*shorten
		if max(math.Abs(d1), math.Abs(d2)) < least {
			break
		}
	}
	return s
}
