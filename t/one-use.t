# A session in the server's cache that TLS 1.3 has resumed is gone: its ticket was for one use, and the client has got
# another. Session ids of TLS 1.2 may be used again, and so may tickets that hold their session themselves.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);

my $h = ModSSL::Httpd->new(listen => ['cached', 'sealed'], config => <<'END');
SSLSessionCache shmcb:@root@/run/scache(512000)
SSLCertificateFile    @pki@/ecdsa.crt
SSLCertificateKeyFile @pki@/ecdsa.key
<VirtualHost *:@port:cached@>
    ServerName www.test
    SSLEngine on
    SSLSessionTickets off
    SSLOpenSSLConfCmd Groups P-256:X25519
</VirtualHost>
<VirtualHost *:@port:sealed@>
    ServerName www.test
    SSLEngine on
</VirtualHost>
END
$h->start or BAIL_OUT($h->why);

# Whether it was resumed, and the session that the client has then. The response is read: TLS 1.3 sends tickets after the handshake.
sub visit {
    my ($port, $version, $session, @more) = @_;
    my $s = tls_connect(port => $h->port($port), version => $version, sni => 'www.test', @more,
                        $session ? (session => $session) : ()) or return "failed: $tls_error";
    my $r = http_get($s, '/', 'www.test');
    return 'no answer' if !$r || $r->{status} != 200;
    my @seen = (resumed($s) ? 'resumed' : 'full', session($s));
    $s->close;
    return @seen;
}

# [port, version, options of the client, what the second use of a session gives under ours, under stock]
my @CASES = (
    ['cached', '1.3', [],                                    'full',    'resumed', 'TLS 1.3, from the cache'],
    ['cached', '1.3', [groups => 'X448:X25519:P-256'],       'full',    'resumed', 'TLS 1.3, from the cache, after a HelloRetryRequest'],
    ['cached', '1.2', [],                                    'resumed', 'resumed', 'TLS 1.2, by session id'],
    ['sealed', '1.3', [],                                    'resumed', 'resumed', 'TLS 1.3, by a ticket'],
    ['sealed', '1.2', [],                                    'resumed', 'resumed', 'TLS 1.2, by a ticket'],
);
for (@CASES) {
    my ($port, $version, $options, $ours, $stock, $name) = @$_;
    my $again = is_stock() ? $stock : $ours;
    my ($how, $first) = visit($port, $version, undef, @$options);
    is($how, 'full', "$name: first visit");
    ($how, my $second) = visit($port, $version, $first, @$options);
    is($how, 'resumed', "$name: second visit");
    is((visit($port, $version, $first, @$options))[0], $again, "$name: with the first session again");
    is((visit($port, $version, $second, @$options))[0], 'resumed', "$name: with the session of the second visit");
}

# A browser opens several connections at a time with the one session that it has: all of them work.
my (undef, $session) = visit('cached', '1.3');
my @open = map { tls_connect(port => $h->port('cached'), version => '1.3', sni => 'www.test', session => $session) } 1 .. 4;
is(scalar(grep { defined } @open), 4, 'four connections at a time with one session: all are made');
is(scalar(grep { http_get($_, '/', 'www.test')->{status} == 200 } @open), 4, '... and served');
is((visit('cached', '1.3', session($open[3])))[0], 'resumed', '... and the last one has a session for the next');

# Who knows the ticket, which was sent in the clear, but not its secret, does not end the session.
(undef, $session) = visit('cached', '1.3');
my $forged = $session;
my $secret = index $forged, "\x04\x30";    # the master key: an OCTET STRING of 48 bytes, as AES-256-GCM with SHA-384 has
$secret = index $forged, "\x04\x20" if $secret < 0;
substr($forged, $secret + 2, 4) ^= "\xff\xff\xff\xff";
like((visit('cached', '1.3', $forged))[0], qr/^failed: /, 'with a wrong secret: no handshake');
is((visit('cached', '1.3', $session))[0], 'resumed', '... and the right one still resumes');
ok($h->alive, 'server lives');
done_testing;
