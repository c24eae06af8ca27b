# SSLStrictSNIVHostCheck: clients that send no server name are refused, everywhere or by single virtual hosts.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd;
use ModSSL::Client qw(:all);

sub vhost {
    my ($name, $more) = @_;
    return <<"CONF";
<VirtualHost 127.0.0.1:\@port:https\@>
    ServerName $name.test
    Header always set X-Vhost $name
    SSLEngine on
    SSLCertificateFile    \@pki\@/ecdsa.crt
    SSLCertificateKeyFile \@pki\@/ecdsa.key
    $more
</VirtualHost>
CONF
}

sub answer {
    my ($port, $sni, $host, %o) = @_;
    my $s = tls_connect(port => $port, sni => $sni, %o) or return 'refused';
    my $r = http_get($s, '/', $host, close => 1) or return 'closed';
    return $r->{status} == 200 ? "200 $r->{headers}{'x-vhost'}" : $r->{status};
}

my ($on, $off) = map { "SSLStrictSNIVHostCheck $_\n" } qw(on off);
my @sequence = ([ undef, 'a' ], [ undef, 'b' ], [ undef, 'c' ], [ undef, 'unknown' ],
                [ 'a', 'a' ], [ 'a', 'b' ], [ 'b', 'a' ], [ 'b', 'b' ], [ 'unknown', 'a' ], [ 'unknown', 'b' ], [ 'unknown', 'unknown' ]);
for my $case (
    [ 'nowhere',             '',   '',   '',   ['200 a', '200 b', '200 c', '200 a', '200 a', '200 b', '200 a', '200 b', '200 a', '200 b', '200 a'] ],
    [ 'off in all of them',  $off, $off, $off, ['200 a', '200 b', '200 c', '200 a', '200 a', '200 b', '200 a', '200 b', '200 a', '200 b', '200 a'] ],
    [ 'globally',            $on,  '',   '',   ['403', '403', '403', '403', '200 a', '200 b', '200 a', '200 b', '200 a', '200 b', '200 a'] ],
    [ 'in the first host',   '',   $on,  '',   ['403', '403', '403', '403', '200 a', '200 b', '200 a', '200 b', '200 a', '200 b', '200 a'] ],
    [ 'in another host',     '',   '',   $on,  ['200 a', '403', '200 c', '200 a', '200 a', '200 b', '200 a', '200 b', '200 a', '200 b', '200 a'] ],
    [ 'globally, but for the first host', $on, $off, '', ['200 a', '403', '403', '200 a', '200 a', '200 b', '200 a', '200 b', '200 a', '200 b', '200 a'] ],
    [ 'globally, but for another host',   $on, '', $off, ['403', '403', '403', '403', '200 a', '200 b', '200 a', '200 b', '200 a', '200 b', '200 a'] ],
    [ 'in the first, off in the other',   '', $on, $off, ['403', '403', '403', '403', '200 a', '200 b', '200 a', '200 b', '200 a', '200 b', '200 a'] ],
) {
    my ($name, $main, $first, $second, $want) = @$case;
    subtest "on $name" => sub {
        my $h = ModSSL::Httpd->new(name => 'strict-sni', config =>
            $main . vhost('a', $first) . vhost('b', $second) . vhost('c', ''));
        $h->start or die $h->why;
        for my $i (0 .. $#sequence) {
            my ($sni, $host) = @{ $sequence[$i] };
            is(answer($h->port, defined $sni ? "$sni.test" : undef, "$host.test"), $want->[$i],
               (defined $sni ? "SNI $sni" : 'no SNI') . ", Host $host");
        }
    };
}

subtest 'one virtual host' => sub {
    my $h = ModSSL::Httpd->new(name => 'strict-sni-1', config => vhost('a', $on));
    $h->start or die $h->why;
    is(answer($h->port, undef, 'a.test'), '200 a', 'no SNI where there is no choice of names');
    is(answer($h->port, 'a.test', 'a.test'), '200 a', 'SNI');
    is(answer($h->port, 'unknown.test', 'a.test'), '200 a', 'unknown name');
};

subtest 'refused' => sub {
    my $h = ModSSL::Httpd->new(name => 'strict-sni-2', config => "$on\n" . vhost('a', '') . vhost('b', ''));
    $h->start or die $h->why;
    for my $version ('1.2', '1.3') {
        my $s = tls_connect(port => $h->port, version => $version) or die $tls_error;
        my $r = http_get($s, '/', 'b.test');
        is($r->{status}, 403, "TLS $version: 403");
        unlike($r->{body}, qr/works/, "TLS $version: without the page");
    }
    like($h->errorlog_like(qr/^.*AH02033:.*/m) || '', qr/:info\]/, 'and a line in the error log');
};

done_testing;
