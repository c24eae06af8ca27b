# Application-layer protocol negotiation: the server picks from what the client offers, in the order of Protocols, for the
# virtual host that the client named; an offer of which nothing fits is refused.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd;
use ModSSL::Client qw(:all);

plan skip_all => 'mod_http2 offers nothing under prefork' if ModSSL::Httpd::mpm() eq 'prefork';

sub vhost {
    my ($name, $cert, $more) = @_;
    return <<"CONF";
<VirtualHost 127.0.0.1:\@port:https\@>
    ServerName $name.test
    SSLEngine on
    SSLCertificateFile    \@pki\@/$cert.crt
    SSLCertificateKeyFile \@pki\@/$cert.key
    $more
</VirtualHost>
CONF
}

my $h = ModSSL::Httpd->new(modules => ['http2'], config => join '',
    vhost('plain', 'ecdsa', ''),
    vhost('h2', 'ecdsa', 'Protocols h2 http/1.1'),
    vhost('h1', 'ecdsa', 'Protocols http/1.1 h2'),
    vhost('only', 'ecdsa', 'Protocols h2'),
    vhost('client', 'ecdsa', "Protocols h2 http/1.1\nProtocolsHonorOrder off"),
    vhost('client1', 'ecdsa', "Protocols http/1.1 h2\nProtocolsHonorOrder off"),
    vhost('onlyh1', 'ecdsa', 'Protocols http/1.1'),
    vhost('h2c', 'ecdsa', 'Protocols h2c http/1.1'),
    vhost('cert', 'rsa', 'Protocols h2 http/1.1'),
);
$h->start or die $h->why;

# "protocol negotiated, version of the answer"; an h2 client is not needed to see what was chosen
sub negotiated {
    my ($sni, $offer, %o) = @_;
    my $s = tls_connect(port => $h->port, sni => $sni, $offer ? (alpn => $offer) : (), %o) or return "refused";
    my $alpn = alpn($s);
    $alpn = '-' if !defined $alpn || $alpn eq '';
    return $alpn if $alpn eq 'h2';
    my $r = http_get($s, '/', $sni, close => 1) or return "$alpn, closed";
    return "$alpn, $r->{status}";
}

for my $version ('1.2', '1.3') {
    subtest "TLS $version" => sub {
        for my $case (
            # host      offered                                      negotiated
            [ 'plain',  [qw(http/1.1)],                              'http/1.1, 200' ],
            [ 'plain',  [qw(h2 http/1.1)],                           'http/1.1, 200' ],
            [ 'plain',  [qw(h2)],                                    'refused' ],
            [ 'plain',  undef,                                       '-, 200' ],
            [ 'plain',  [qw(spdy/3 foo)],                            'refused' ],
            [ 'plain',  [qw(foo http/1.1)],                          'http/1.1, 200' ],
            [ 'plain',  [qw(http/1.0)],                              'refused' ],
            [ 'h2',     [qw(h2)],                                    'h2' ],
            [ 'h2',     [qw(h2 http/1.1)],                           'h2' ],
            [ 'h2',     [qw(http/1.1 h2)],                           'h2' ],
            [ 'h2',     [qw(http/1.1)],                              'http/1.1, 200' ],
            [ 'h2',     undef,                                       '-, 200' ],
            [ 'h2',     [qw(foo)],                                   'refused' ],
            [ 'h2',     [qw(H2)],                                    'refused' ],
            [ 'h2',     [qw(h2c)],                                   'refused' ],
            [ 'h2',     [qw(h2-14 h2-16 h2)],                        'h2' ],
            [ 'h2',     [('x') x 40, 'h2'],                          'h2' ],
            [ 'h2',     ['x' x 100, 'http/1.1'],                     'http/1.1, 200' ],
            [ 'h2',     [qw(acme-tls/1)],                            'refused' ],
            [ 'h1',     [qw(h2 http/1.1)],                           'http/1.1, 200' ],
            [ 'h1',     [qw(h2)],                                    'h2' ],
            [ 'only',   [qw(h2 http/1.1)],                           'h2' ],
            [ 'only',   [qw(http/1.1)],                              'http/1.1, 200' ],
            [ 'only',   undef,                                       '-, 200' ],
            [ 'client', [qw(h2 http/1.1)],                           'h2' ],
            [ 'client', [qw(http/1.1 h2)],                           'http/1.1, 200' ],
            [ 'client1', [qw(h2 http/1.1)],                          'h2' ],
            [ 'client1', [qw(http/1.1 h2)],                          'http/1.1, 200' ],
            [ 'onlyh1', [qw(h2 http/1.1)],                           'http/1.1, 200' ],
            [ 'onlyh1', [qw(h2)],                                    'refused' ],
            [ 'h2c',    [qw(h2 h2c http/1.1)],                       'http/1.1, 200' ],
            [ 'cert',   [qw(http/1.1 h2)],                           'h2' ],
        ) {
            my ($name, $offer, $want) = @$case;
            is(negotiated("$name.test", $offer, version => $version), $want,
               "$name: " . ($offer ? @$offer > 5 ? 'many' : join ' ', map { substr $_, 0, 20 } @$offer : 'nothing'));
        }
        is(negotiated(undef, [qw(h2 http/1.1)], version => $version), 'http/1.1, 200', 'no server name: the first host decides');
        is(negotiated('unknown.test', [qw(h2 http/1.1)], version => $version), 'http/1.1, 200', 'unknown server name: the first host decides');

        my ($status) = curl('-k', '--http2', "--tlsv$version", '--tls-max', $version, resolve('h2.test', $h->port),
                            'https://h2.test:' . $h->port . '/');
        is("$status $curl_info{http_version}", '200 2', 'h2 is spoken when it is chosen');
        ($status) = curl('-k', '--http2', "--tlsv$version", '--tls-max', $version, resolve('plain.test', $h->port),
                         'https://plain.test:' . $h->port . '/');
        is("$status $curl_info{http_version}", '200 1.1', 'http/1.1 where h2 is not enabled');
    };
}

subtest 'resumption' => sub {
    for my $version ('1.2', '1.3') {
        my $s = tls_connect(port => $h->port, sni => 'h2.test', alpn => ['http/1.1'], version => $version) or die $tls_error;
        http_get($s, '/', 'h2.test');
        my $session = session($s);
        $s->close;
        my $again = tls_connect(port => $h->port, sni => 'h2.test', alpn => ['h2'], version => $version, session => $session)
            or die $tls_error;
        ok(resumed($again), "TLS $version: resumed");
        is(alpn($again), 'h2', "TLS $version: the protocol is negotiated anew");
    }
};

subtest 'empty lists' => sub {
    # A list with no names, and a name with no letters, are against RFC 7301: a refusal is fine, a crash or a hang is not.
    for my $case ([ 'a list of no names' => "\0\x10\0\2\0\0" ], [ 'a name of no letters' => "\0\x10\0\3\0\1\0" ],
                  [ 'a name longer than the list' => "\0\x10\0\5\0\3\xffh2" ]) {
        my ($what, $extension) = @$case;
        my $body = "\3\3" . ('r' x 32) . "\0" . pack('n/a*', "\xc0\x2b\xc0\x2f\0\xff") . "\1\0"
            . pack('n/a*', "\0\x0a\0\4\0\2\0\x17" . "\0\x0b\0\2\1\0" . "\0\x0d\0\6\0\4\4\3\4\1" . $extension);
        my $hello = "\1" . substr(pack('N', length $body), 1) . $body;
        my $sock = raw_connect($h->port);
        syswrite $sock, "\x16\3\1" . pack('n/a*', $hello);
        my $got = sysread $sock, my $answer, 5;
        ok($got && ord($answer) == 0x15, "$what: an alert");
    }
    is(negotiated('h2.test', ['http/1.1']), 'http/1.1, 200', 'and the server goes on');
    unlike($h->errorlog, qr/exit signal/, 'without a crash');
};

subtest 'no Protocols at all' => sub {
    my $plain = ModSSL::Httpd->new(name => 'alpn-plain', config => vhost('plain', 'ecdsa', ''));
    $plain->start or die $plain->why;
    for my $case ([ [qw(http/1.1)], 'http/1.1' ], [ [qw(h2 http/1.1)], 'http/1.1' ], [ [qw(h2)], 'refused' ]) {
        my ($offer, $want) = @$case;
        my $s = tls_connect(port => $plain->port, sni => 'plain.test', alpn => $offer);
        is(($s ? alpn($s) || '-' : 'refused'), $want, "without mod_http2: @$offer");
    }
};

done_testing;
