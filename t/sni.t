# Name-based virtual hosts: the name in the ClientHello chooses certificate and content alike, in the order and
# by the rules by which httpd itself takes the Host header.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd;
use ModSSL::Client qw(:all);

# Each virtual host shows itself twice: by the name in its certificate and by a header.
sub vhost {
    my ($port, $label, $cert, $names) = @_;
    return <<"CONF";
<VirtualHost 127.0.0.1:\@port:$port\@>
    $names
    SSLEngine on
    SSLCertificateFile    \@pki\@/$cert.crt
    SSLCertificateKeyFile \@pki\@/$cert.key
    Header always set X-Vhost $label
</VirtualHost>
CONF
}

my $h = ModSSL::Httpd->new(listen => [qw(https second alone)], config => join '',
    vhost('https', 'first',  'rsa',     "ServerName first.test"),
    vhost('https', 'a',      'a',       "ServerName a.test\nServerAlias www.a.test alias-of-a.test MiXeD.a.test"),
    vhost('https', 'b',      'b',       "ServerName b.test:443"),
    vhost('https', 'wild',   'c',       "ServerName wild.test\nServerAlias *.wild.test"),
    vhost('https', 'later',  'ecdsa',   "ServerName exact.wild.test\nServerAlias only-later.test"),
    vhost('https', 'q',      'p384',    "ServerName q.test\nServerAlias q?.test"),
    vhost('https', 'a2',     'ed25519', "ServerName a.test\nServerAlias twice.test"),
    vhost('https', 'alias2', 'chain',   "ServerName chain.test\nServerAlias twice.test *.middle.*"),
    vhost('second', 'other-first', 'b', "ServerName zzz.test"),
    vhost('second', 'other-a', 'c',     "ServerName a.test"),
    vhost('alone', 'alone', 'rsapss',   "ServerName alone.test"),
);
$h->start or die $h->why;

# "CN of the certificate, virtual host that answered"
sub who {
    my ($port, $sni, $host, %o) = @_;
    my $s = tls_connect(port => $h->port($port), sni => $sni, %o) or return "refused: $tls_error";
    my $cn = peer_cn($s);
    my $r = http_get($s, '/', $host, close => 1) or return "$cn, no answer";
    return "$cn, $r->{status} " . ($r->{headers}{'x-vhost'} || '?');
}

for my $version ('1.2', '1.3') {
    subtest "TLS $version" => sub {
        for my $case (
            [ 'first.test',          'rsa.test, 200 first',    'the name of the first virtual host' ],
            [ 'a.test',              'a.test, 200 a',          'ServerName' ],
            [ 'www.a.test',          'a.test, 200 a',          'ServerAlias' ],
            [ 'alias-of-a.test',     'a.test, 200 a',          'another ServerAlias' ],
            [ 'A.TEST',              'a.test, 200 a',          'upper case asks for lower' ],
            [ 'mixed.a.test',        'a.test, 200 a',          'lower case asks for mixed' ],
            [ 'WWW.a.Test',          'a.test, 200 a',          'mixed case asks for an alias' ],
            [ 'b.test',              'b.test, 200 b',          'ServerName with a port' ],
            [ 'wild.test',           'c.test, 200 wild',       'ServerName beside a wildcard alias' ],
            [ 'x.wild.test',         'c.test, 200 wild',       'a wildcard alias' ],
            [ 'X.WILD.test',         'c.test, 200 wild',       'a wildcard alias in upper case' ],
            [ 'x.y.wild.test',       'c.test, 200 wild',       'the star takes dots too' ],
            [ 'exact.wild.test',     'c.test, 200 wild',       'an earlier wildcard goes before a later exact name' ],
            [ 'only-later.test',     'ecdsa.test, 200 later',  'that virtual host is found by its other name' ],
            [ 'q1.test',             'p384.test, 200 q',       'a question mark is one character' ],
            [ 'q12.test',            'rsa.test, 200 first',    'and not two' ],
            [ 'twice.test',          'ed25519.test, 200 a2',   'an alias in two virtual hosts: the first' ],
            [ 'x.middle.y',          'chain.test, 200 alias2', 'stars on both sides' ],
            [ 'unknown.test',        'rsa.test, 200 first',    'an unknown name: the first virtual host' ],
            [ 'a.test.unknown.test', 'rsa.test, 200 first',    'a known name as the beginning is unknown' ],
            [ 'xa.test',             'rsa.test, 200 first',    'a known name as the end is unknown' ],
        ) {
            my ($name, $want, $why) = @$case;
            is(who('https', $name, $name, version => $version), $want, "$name: $why");
        }
        is(who('https', undef, 'first.test', version => $version), 'rsa.test, 200 first',
           'no name in the ClientHello: the first virtual host');
        is(who('second', 'a.test', 'a.test', version => $version), 'c.test, 200 other-a',
           'the same name on another port is another virtual host');
        is(who('second', 'b.test', 'b.test', version => $version), 'b.test, 200 other-first',
           'a name of the first port is unknown on the second');
        is(who('alone', 'a.test', 'a.test', version => $version), 'rsapss.test, 200 alone',
           'a port with one virtual host: any name gets that one');
    };
}

subtest 'many' => sub {
    # Names are looked up by some index: many of them, and none may be lost or taken for another.
    my @numbers = 0 .. 299;
    my $many = ModSSL::Httpd->new(name => 'sni-many', config => join '',
        vhost('https', 'default', 'rsa', 'ServerName default.test'),
        map { vhost('https', "n$_", 'ecdsa', "ServerName n$_.many.test\nServerAlias alias$_.many.test") } @numbers);
    $many->start or return fail($many->why);
    my @wrong;
    for my $n (grep { $_ % 7 == 0 } @numbers) {
        for my $name ("n$n.many.test", "alias$n.many.test") {
            my $s = tls_connect(port => $many->port, sni => $name) or push(@wrong, "$name: $tls_error"), next;
            my $r = http_get($s, '/', $name, close => 1);
            my $got = ($r && $r->{headers}{'x-vhost'} || 'nobody') . ' ' . peer_cn($s);
            push @wrong, "$name: $got" if $got ne "n$n ecdsa.test";
        }
    }
    is("@wrong", '', 'each name of 300 virtual hosts finds its own');
    is(presented($many->port, sni => 'n300.many.test'), 'rsa.test', 'a name that no one has');
};

subtest 'after a graceful restart' => sub {
    $h->config(join '', vhost('https', 'first', 'rsa', 'ServerName first.test'),
                        vhost('https', 'swapped', 'b', 'ServerName a.test'),
                        vhost('second', 'x', 'b', ''), vhost('alone', 'y', 'b', ''));
    ok($h->graceful, 'graceful restart');
    my $got = ModSSL::Httpd::wait_for(10, sub { my $w = who('https', 'a.test', 'a.test'); $w =~ /swapped/ && $w });
    is($got, 'b.test, 200 swapped', 'the new virtual host answers');
    is(who('https', 'b.test', 'b.test'), 'rsa.test, 200 first', 'a name that is gone is unknown');
};

done_testing;
