# SSLCipherSuite: every cipher that OpenSSL offers at its default level works when it is the only one allowed,
# and nothing else does then.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd;
use ModSSL::Client qw(:all);

# What OpenSSL itself would use, by version and by the kind of certificate the cipher needs.
my (%auth_of, @tls13);
for my $line (`openssl ciphers -s -v DEFAULT`) {
    my ($name, $version, $auth) = $line =~ /^(\S+)\s+(\S+)\s.*\bAu=(\S+)/ or next;
    if ($version eq 'TLSv1.3') {
        push @tls13, $name;
    }
    elsif ($auth eq 'RSA' || $auth eq 'ECDSA') {
        $auth_of{$name} = $auth;
    }
}
my @tls12 = sort keys %auth_of;
cmp_ok(scalar @tls12, '>', 10, 'there are TLS 1.2 ciphers to try');
cmp_ok(scalar @tls13, '>=', 3, 'there are TLS 1.3 ciphers to try');

my $both = join '', map {
    "SSLCertificateFile \@pki\@/$_.crt\nSSLCertificateKeyFile \@pki\@/$_.key\n"
} qw(rsa ecdsa);

my $h = ModSSL::Httpd->new(listen => [qw(any one13 mixed)], config => <<"CONF");
SSLProtocol TLSv1.2 +TLSv1.3
<VirtualHost 127.0.0.1:\@port:any\@>
SSLEngine on
$both
SSLOptions +StdEnvVars
</VirtualHost>
<VirtualHost 127.0.0.1:\@port:one13\@>
SSLEngine on
SSLProtocol TLSv1.3
SSLCipherSuite TLSv1.3 TLS_CHACHA20_POLY1305_SHA256
$both
</VirtualHost>
<VirtualHost 127.0.0.1:\@port:mixed\@>
SSLEngine on
SSLCipherSuite SSL ECDHE-RSA-AES128-GCM-SHA256
SSLCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384
SSLHonorCipherOrder on
$both
</VirtualHost>
CONF
$h->start or die $h->why;

# The cipher as both ends see it.
sub fetch {
    my ($port, %o) = @_;
    my $s = tls_connect(port => $h->port($port), %o) or return 'refused';
    my $r = http_get($s, '/cgi/env') or return 'no answer';
    my ($there) = $r->{body} =~ /^SSL_CIPHER=(.*)$/m;
    my $here = cipher($s);
    return defined $there && $there ne $here ? "$here here, $there there" : "$r->{status} $here " . peer_cn($s);
}

subtest 'TLS 1.2, chosen by the client' => sub {
    for my $cipher (@tls12) {
        my $cn = $auth_of{$cipher} eq 'RSA' ? 'rsa.test' : 'ecdsa.test';
        is(fetch('any', version => '1.2', ciphers => $cipher), "200 $cipher $cn", $cipher);
    }
};

subtest 'TLS 1.3, chosen by the client' => sub {
    for my $cipher (@tls13) {
        my $got = fetch('any', version => '1.3', ciphersuites => $cipher);
        like($got, qr/^200 \Q$cipher\E (?:rsa|ecdsa)\.test$/, $cipher);
    }
};

subtest 'TLS 1.2, chosen by the server' => sub {
    my @ports = map { "p$_" } 0 .. $#tls12;
    my $config = "SSLProtocol TLSv1.2\n" . join '', map {
        "<VirtualHost 127.0.0.1:\@port:p$_\@>\nSSLEngine on\nSSLCipherSuite $tls12[$_]\n$both</VirtualHost>\n"
    } 0 .. $#tls12;
    my $one = ModSSL::Httpd->new(name => 'ciphers-one', listen => \@ports, config => $config);
    $one->start or return fail($one->why);
    for my $i (0 .. $#tls12) {
        my $s = tls_connect(port => $one->port("p$i"), version => '1.2');
        is($s ? cipher($s) : 'refused', $tls12[$i], "SSLCipherSuite $tls12[$i]");
        my $others = join ':', grep { $_ ne $tls12[$i] } @tls12;
        $s = tls_connect(port => $one->port("p$i"), version => '1.2', ciphers => $others);
        is($s ? cipher($s) : 'refused', 'refused', 'and no other');
    }
};

subtest 'TLS 1.3, chosen by the server' => sub {
    my $only = 'TLS_CHACHA20_POLY1305_SHA256';
    like(fetch('one13', version => '1.3'), qr/^200 $only /, "SSLCipherSuite TLSv1.3 $only");
    my $others = join ':', grep { $_ ne $only } @tls13;
    is(fetch('one13', version => '1.3', ciphersuites => $others), 'refused', 'and no other');

    like(fetch('mixed', version => '1.3'), qr/^200 TLS_AES_128_GCM_SHA256 /, "the server's order of TLS 1.3 suites");
    is(fetch('mixed', version => '1.3', ciphersuites => $only), 'refused', 'a suite that is not listed');
    is(fetch('mixed', version => '1.2'), '200 ECDHE-RSA-AES128-GCM-SHA256 rsa.test', 'SSLCipherSuite SSL is for TLS 1.2');
};

subtest 'order' => sub {
    my ($a, $b) = qw(ECDHE-RSA-AES256-GCM-SHA384 ECDHE-RSA-AES128-GCM-SHA256);
    my $order = ModSSL::Httpd->new(name => 'ciphers-order', listen => [qw(server client)], config => <<"CONF");
SSLProtocol TLSv1.2
SSLCipherSuite $a:$b
<VirtualHost 127.0.0.1:\@port:server\@>
SSLEngine on
SSLHonorCipherOrder on
$both</VirtualHost>
<VirtualHost 127.0.0.1:\@port:client\@>
SSLEngine on
SSLHonorCipherOrder off
$both</VirtualHost>
CONF
    $order->start or return fail($order->why);
    for my $case (['server', $a], ['client', $b]) {
        my ($port, $want) = @$case;
        my $s = tls_connect(port => $order->port($port), version => '1.2', ciphers => "$b:$a");
        is($s ? cipher($s) : 'refused', $want, "the $port decides");
    }
};

subtest 'mistakes' => sub {
    for my $case (
        [ 'SSLCipherSuite NO-SUCH-CIPHER', qr/Unable to configure permitted SSL ciphers/ ],
        [ 'SSLCipherSuite TLSv1.3 NO_SUCH_SUITE', qr/Unable to configure permitted TLSv1\.3 ciphers/ ],
        [ 'SSLCipherSuite TLSv1.4 HIGH', qr/.+/ ],
    ) {
        my ($line, $message) = @$case;
        my $bad = ModSSL::Httpd->new(name => 'ciphers-bad', config =>
            "<VirtualHost 127.0.0.1:\@port:https\@>\nSSLEngine on\n$line\n$both</VirtualHost>\n");
        like($bad->start_fails, $message, $line);
    }
};

done_testing;
