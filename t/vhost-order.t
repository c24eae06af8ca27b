# Which virtual host answers a name and an address: for the certificate (by SNI) and for the request (by Host) the order
# of the configuration decides, with httpd's own rules for wildcards, addresses and ports.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use IO::Socket::IP;
use ModSSL::Httpd;
use ModSSL::Client qw(:all);

sub vhost {
    my ($address, $label, $cert, $names) = @_;
    return <<"CONF";
<VirtualHost $address>
    $names
    SSLEngine on
    SSLCertificateFile    \@pki\@/$cert.crt
    SSLCertificateKeyFile \@pki\@/$cert.key
    Header always set X-Vhost $label
</VirtualHost>
CONF
}

# "CN of the certificate, virtual host that answered"
sub who {
    my ($address, $port, $sni, $host) = @_;
    my $sock = IO::Socket::IP->new(PeerHost => $address, PeerPort => $port, Timeout => 5) or return "connect: $@";
    my $s = start_tls($sock, sni => $sni) or return "refused: $tls_error";
    my $cn = peer_cn($s);
    my $r = http_get($s, '/', $host, close => 1) or return "$cn, no answer";
    return "$cn, $r->{status} " . ($r->{headers}{'x-vhost'} || 'nobody');
}

subtest 'wildcards on one address' => sub {
    my $here = '127.0.0.1:@port:https@';
    my $h = ModSSL::Httpd->new(name => 'vhost-order-wild', config => join '',
        vhost($here, 'default', 'rsa',     'ServerName default.test'),
        vhost($here, 'star',    'a',       "ServerName star.test\nServerAlias *.x.test"),
        vhost($here, 'exact',   'b',       "ServerName exact.x.test\nServerAlias spare.test"),
        vhost($here, 'first-y', 'c',       "ServerName one.y.test\nServerAlias 1.y.test"),
        vhost($here, 'star-y',  'ecdsa',   "ServerName star-y.test\nServerAlias *.y.test"),
        vhost($here, 'late-y',  'p384',    "ServerName two.y.test\nServerAlias three.y.test three.z"),
        vhost($here, 'a-star',  'ed25519', "ServerName a-star.test\nServerAlias a*.z.test"),
        vhost($here, 'q',       'chain',   "ServerName q.test\nServerAlias ?.test"),
        vhost($here, 'all-q',   'other',   "ServerName all-q.test\nServerAlias ??.test w*.test *.?.deep.test"),
        vhost($here, 'twin1',   'rsapss',  "ServerName twin.test"),
        vhost($here, 'twin2',   'selfsigned', "ServerName twin.test\nServerAlias twin2.test"),
        vhost($here, 'wild2',   'notyet',  "ServerName ab.test\nServerAlias abc.z.test x.x.test"),
    );
    $h->start or die $h->why;
    for my $case (
        [ 'default.test',     'rsa.test, 200 default' ],
        [ 'star.test',        'a.test, 200 star' ],
        [ 'www.x.test',       'a.test, 200 star' ],
        [ 'a.b.x.test',       'a.test, 200 star' ],
        [ '.x.test',          'a.test, 200 star' ],
        [ 'exact.x.test',     'a.test, 200 star' ],
        [ 'x.x.test',         'a.test, 200 star' ],
        [ 'spare.test',       'b.test, 200 exact' ],
        [ 'one.y.test',       'c.test, 200 first-y' ],
        [ '1.y.test',         'c.test, 200 first-y' ],
        [ 'two.y.test',       'ecdsa.test, 200 star-y' ],
        [ 'three.y.test',     'ecdsa.test, 200 star-y' ],
        [ 'three.z',          'p384.test, 200 late-y' ],
        [ 'a.z.test',         'ed25519.test, 200 a-star' ],
        [ 'abc.z.test',       'ed25519.test, 200 a-star' ],
        [ 'A.B.Z.test',       'ed25519.test, 200 a-star' ],
        [ 'b.z.test',         'rsa.test, 200 default' ],
        [ 'x.test',           'chain.test, 200 q' ],
        [ '1.test',           'chain.test, 200 q' ],
        [ 'q.test',           'chain.test, 200 q' ],
        [ 'ab.test',          'other.test, 200 all-q' ],
        [ 'www.test',         'other.test, 200 all-q' ],
        [ 'w.test',           'chain.test, 200 q' ],
        [ 'abc.test',         'rsa.test, 200 default' ],
        [ 'p.q.deep.test',    'other.test, 200 all-q' ],
        [ 'p.qq.deep.test',   'rsa.test, 200 default' ],
        [ 'twin.test',        'rsapss.test, 200 twin1' ],
        [ 'twin2.test',       'selfsigned.test, 200 twin2' ],
    ) {
        my ($name, $want) = @$case;
        is(who('127.0.0.1', $h->port, $name, $name), $want, $name);
    }
};

# A Listen of our own on addresses other than the harness's.
my $ipv6 = IO::Socket::IP->new(LocalHost => '::1', LocalPort => 0, Listen => 1) ? 1 : 0;
subtest 'addresses and ports' => sub {
    my $h = ModSSL::Httpd->new(name => 'vhost-order-ip', listen => [qw(https second third plain)], config => join '',
        "Listen 127.0.0.2:\@port:https\@\nListen 127.0.0.3:\@port:https\@\n",
        $ipv6 ? "Listen [::1]:\@port:https\@\n" : '',
        'Header always set X-Vhost main', "\n",
        vhost('_default_:@port:https@',   'default',  'rsa',   'ServerName default.test'),
        vhost('*:@port:https@',           'star',     'ecdsa', 'ServerName star.test'),
        vhost('127.0.0.2:@port:https@',   'two',      'a',     'ServerName two.test'),
        vhost('127.0.0.2:@port:https@',   'two-b',    'b',     "ServerName two-b.test\nServerAlias star.test"),
        vhost('127.0.0.1:@port:second@ 127.0.0.3:@port:https@', 'twice', 'c', 'ServerName twice.test'),
        vhost('127.0.0.1:*',              'anyport',  'p384',  'ServerName anyport.test'),
        vhost('127.0.0.1:@port:second@',  'second',   'chain', 'ServerName second.test'),
        $ipv6 ? vhost('[::1]:@port:https@', 'six',    'ed25519', 'ServerName six.test') : (),
        $ipv6 ? vhost('[::1]:@port:https@', 'six-b',  'rsapss', 'ServerName six-b.test') : (),
        "<VirtualHost 127.0.0.1:\@port:plain\@>\nServerName twice.test\nHeader always set X-Vhost plain\n</VirtualHost>\n",
    );
    $h->start or die $h->why;
    for my $case (
        [ '127.0.0.1', 'https',  'default.test',  'p384.test, 200 anyport', 'address and any port goes before any address and port' ],
        [ '127.0.0.1', 'https',  'star.test',     'p384.test, 200 anyport', 'and names of hosts for any address are not looked at' ],
        [ '127.0.0.1', 'third',  'star.test',     'p384.test, 200 anyport', 'any port of the address' ],
        [ '127.0.0.2', 'https',  'two.test',      'a.test, 200 two', 'an address of its own' ],
        [ '127.0.0.2', 'https',  'two-b.test',    'b.test, 200 two-b', 'second host of that address' ],
        [ '127.0.0.2', 'https',  'star.test',     'b.test, 200 two-b', 'an alias of the second host of that address' ],
        [ '127.0.0.2', 'https',  'default.test',  'a.test, 200 two', 'a name for any address is unknown on that address' ],
        [ '127.0.0.2', 'https',  undef,           'a.test, 200 two', 'no name' ],
        [ '127.0.0.3', 'https',  'x.test',        'c.test, 200 twice', 'a host with two addresses, the second' ],
        [ '127.0.0.1', 'second', 'x.test',        'c.test, 200 twice', 'a host with two addresses, the first: default there' ],
        [ '127.0.0.1', 'second', 'second.test',   'chain.test, 200 second', 'the other host there' ],
        [ '127.0.0.1', 'second', 'anyport.test',  'c.test, 200 twice', 'a host for any port of the address' ],
        $ipv6 ? (
        [ '::1', 'https', 'six.test',             'ed25519.test, 200 six', 'IPv6' ],
        [ '::1', 'https', 'six-b.test',           'rsapss.test, 200 six-b', 'IPv6, second host' ],
        [ '::1', 'https', 'star.test',            'ed25519.test, 200 six', 'IPv6, a name for any address' ],
        ) : (),
    ) {
        my ($address, $port, $name, $want, $why) = @$case;
        my $host = defined $name ? $name : 'nobody.test';
        is(who($address, $h->port($port), $name, $host), $want, "[$address]:$port $host: $why");
    }
    my $r = http_get(raw_connect($h->port('plain')), '/', 'twice.test', close => 1);
    is("$r->{status} $r->{headers}{'x-vhost'}", '200 plain', 'a port without TLS in the same server');
};

subtest 'default for any address' => sub {
    my $h = ModSSL::Httpd->new(name => 'vhost-order-default', config => join '',
        "Listen 127.0.0.2:\@port:https\@\n",
        vhost('127.0.0.2:@port:https@',   'two',     'a',     'ServerName two.test'),
        vhost('_default_:@port:https@',   'default', 'rsa',   'ServerName default.test'),
        vhost('*:@port:https@',           'star',    'ecdsa', 'ServerName star.test'),
    );
    $h->start or die $h->why;
    is(who('127.0.0.1', $h->port, 'star.test', 'star.test'), 'ecdsa.test, 200 star', '_default_ is any address: names count');
    is(who('127.0.0.1', $h->port, 'default.test', 'default.test'), 'rsa.test, 200 default', 'its own name');
    is(who('127.0.0.1', $h->port, 'two.test', 'two.test'), 'rsa.test, 200 default', 'the first of any address answers other names');
    is(who('127.0.0.2', $h->port, 'star.test', 'star.test'), 'a.test, 200 two', 'the address goes before');
};

subtest 'main server' => sub {
    my $tls = "SSLEngine on\nSSLCertificateFile \@pki\@/rsa.crt\nSSLCertificateKeyFile \@pki\@/rsa.key\n"
        . "Header always set X-Vhost main\n";
    my $h = ModSSL::Httpd->new(name => 'vhost-order-main', listen => [qw(https second)], config => join '', $tls,
        vhost('127.0.0.1:@port:second@', 'v', 'a', 'ServerName a.test'),
        "<VirtualHost 127.0.0.1:\@port:second\@>\nServerName b.test\nSSLEngine on\nHeader always set X-Vhost b\n</VirtualHost>\n");
    $h->start or die $h->why;
    is(who('127.0.0.1', $h->port, 'localhost', 'localhost'), 'rsa.test, 200 main', 'alone');
    is(who('127.0.0.1', $h->port, undef, 'localhost'), 'rsa.test, 200 main', 'alone, no name');
    is(who('127.0.0.1', $h->port, 'a.test', 'a.test'), 'rsa.test, 200 main', 'a name of another port');
    is(who('127.0.0.1', $h->port('second'), 'a.test', 'a.test'), 'a.test, 200 v', 'a virtual host beside it');
    is(who('127.0.0.1', $h->port('second'), 'b.test', 'b.test'), 'rsa.test, 200 b', 'a virtual host without certificate of its own');
    is(who('127.0.0.1', $h->port('second'), 'localhost', 'localhost'), 'a.test, 200 v', 'names of the main server do not count there');
};

done_testing;
