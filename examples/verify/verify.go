// Verifies Stepgate's assertion with Go's standard library.
//
//	go run verify.go JWKS_URL ISSUER AUDIENCE < assertion
//
// Prints the claims; exits with 1 and the reason where the assertion does not count.
package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// Keys as read from JWKS_URL; keep them for some minutes.
type Keys struct {
	Keys []struct{ Kty, Crv, Kid, X string }
}

// Claims are what an assertion says.
type Claims struct {
	Iss      string   `json:"iss"`
	Aud      string   `json:"aud"`
	Sub      string   `json:"sub"`
	Iat      int64    `json:"iat"`
	Exp      int64    `json:"exp"`
	AuthTime int64    `json:"auth_time,omitempty"`
	Amr      []string `json:"amr"`
	Acr      string   `json:"acr"`
	User     string   `json:"user"`
	Groups   []string `json:"groups"`
	Name     string   `json:"name,omitempty"`
	Email    string   `json:"email,omitempty"`
}

var base64url = base64.RawURLEncoding.Strict()

func part(text string, into any) error {
	bytes, err := base64url.DecodeString(text)
	if err != nil {
		return err
	}
	return json.Unmarshal(bytes, into)
}

func (keys Keys) find(kid string) (ed25519.PublicKey, error) {
	for _, one := range keys.Keys {
		if one.Kty == "OKP" && one.Crv == "Ed25519" && one.Kid == kid {
			key, err := base64url.DecodeString(one.X)
			if err != nil || len(key) != ed25519.PublicKeySize {
				return nil, errors.New("a key that cannot be read")
			}
			return key, nil
		}
	}
	return nil, errors.New("a key that is not known: read the keys again")
}

// Verify returns the claims of an assertion that counts.
func Verify(assertion string, keys Keys, issuer, audience string) (*Claims, error) {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return nil, errors.New("this is no JWT")
	}
	var header struct{ Typ, Alg, Kid string }
	if err := part(parts[0], &header); err != nil {
		return nil, err
	}
	// Type and algorithm are ours to say, never the token's: a session claim is signed by the same gate.
	if header.Typ != "stepgate-assertion+jwt" || header.Alg != "EdDSA" {
		return nil, errors.New("this is no assertion")
	}
	key, err := keys.find(header.Kid)
	if err != nil {
		return nil, err
	}
	signature, err := base64url.DecodeString(parts[2])
	if err != nil || !ed25519.Verify(key, []byte(parts[0]+"."+parts[1]), signature) {
		return nil, errors.New("the signature is wrong")
	}
	var claims Claims
	if err := part(parts[1], &claims); err != nil {
		return nil, err
	}
	if claims.Iss != issuer || claims.Aud != audience {
		return nil, errors.New("it is from somebody else, or for somebody else")
	}
	if now := time.Now().Unix(); claims.Exp+5 < now || claims.Iat-5 > now {
		return nil, errors.New("it has run out")
	}
	return &claims, nil
}

func run(url, issuer, audience string) error {
	answer, err := http.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var keys Keys
	if err := json.NewDecoder(answer.Body).Decode(&keys); err != nil {
		return err
	}
	assertion, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	claims, err := Verify(strings.TrimSpace(string(assertion)), keys, issuer, audience)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(claims)
}

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}
