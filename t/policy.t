# SSLPolicy: the built-in policies and those of <SSLPolicyDefine>, as clients meet them, and what overrides them; where
# each line of configuration stands decides, not its order within a scope.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(ours_only);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(openssl);

ours_only('the stock module has no SSLPolicy');

my @versions = qw(1 1.1 1.2 1.3);
my $both = join '', map { "SSLCertificateFile \@pki\@/$_.crt\nSSLCertificateKeyFile \@pki\@/$_.key\n" } qw(rsa ecdsa);

# A server with these global lines and one virtual host for each set of lines.
sub server {
    my ($name, $global, @hosts) = @_;
    my $h = ModSSL::Httpd->new(name => "policy-$name", listen => [map { "p$_" } 0 .. $#hosts], config =>
        $global . $both . join '', map {
            "<VirtualHost 127.0.0.1:\@port:p$_\@>\nSSLEngine on\n$hosts[$_]</VirtualHost>\n"
        } 0 .. $#hosts);
    $h->start and return $h;
    fail("$name: " . $h->why);
    return;
}

sub versions_of {
    my ($port) = @_;
    return join ' ', grep { tls_connect(port => $port, version => $_) } @versions;
}

# Of these TLS 1.2 ciphers, those that the server takes when it is offered nothing else.
sub ciphers_of {
    my ($port, @try) = @_;
    return join ' ', grep { tls_connect(port => $port, version => '1.2', ciphers => "$_:\@SECLEVEL=0") } @try;
}

sub group_taken {
    my ($port, $group) = @_;
    return tls_connect(port => $port, version => '1.3', groups => $group) ? 'taken' : 'refused';
}

my @AEAD = qw(ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384
    ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305 DHE-RSA-AES128-GCM-SHA256
    DHE-RSA-AES256-GCM-SHA384 DHE-RSA-CHACHA20-POLY1305);
my @OLDER = qw(ECDHE-ECDSA-AES128-SHA256 ECDHE-RSA-AES128-SHA256 ECDHE-ECDSA-AES128-SHA ECDHE-RSA-AES128-SHA
    ECDHE-ECDSA-AES256-SHA384 ECDHE-RSA-AES256-SHA384 ECDHE-ECDSA-AES256-SHA ECDHE-RSA-AES256-SHA DHE-RSA-AES128-SHA256
    DHE-RSA-AES256-SHA256 AES128-GCM-SHA256 AES256-GCM-SHA384 AES128-SHA256 AES256-SHA256 AES128-SHA AES256-SHA);
# All that OpenSSL has for such certificates.
my @all = grep { /\S/ } map { /^(\S+)\s.*Au=(?:RSA|ECDSA)\s/ ? $1 : '' } split /\n/, openssl(qw(ciphers -s -v -tls1_2 ALL:@SECLEVEL=0));
@all = grep { $_ ne 'DES-CBC3-SHA' } @all;    # in "old" if OpenSSL has it, as Debian's has not

# OpenSSL 4.0: a client that offers groups of finite fields gets one that both sides name, or no DHE (RFC 7919).
my @DHE = ('-tls1_2', '-cipher', 'DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0', '-groups', 'P-256');

subtest 'the built-in policies' => sub {
    my $h = server('builtin', '', map { "SSLPolicy $_\n" } qw(modern intermediate old)) or return;
    my ($modern, $intermediate, $old) = map { $h->port("p$_") } 0 .. 2;
    is(versions_of($modern), '1.3', 'modern: versions');
    is(versions_of($intermediate), '1.2 1.3', 'intermediate: versions');
    is(versions_of($old), '1 1.1 1.2 1.3', 'old: versions');

    cmp_ok(scalar @all, '>', @AEAD + @OLDER, 'OpenSSL has more ciphers than any policy lets through');
    is(ciphers_of($modern, @all), '', 'modern: TLS 1.2 ciphers');
    is_deeply([sort split / /, ciphers_of($intermediate, @all)], [sort @AEAD], 'intermediate: TLS 1.2 ciphers');
    is_deeply([sort split / /, ciphers_of($old, @all)], [sort @AEAD, @OLDER], 'old: TLS 1.2 ciphers');
    for my $suite (qw(TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256)) {
        my @taken = grep { tls_connect(port => $_, version => '1.3', ciphersuites => $suite) } $modern, $intermediate, $old;
        is(scalar @taken, 3, "$suite in all of them");
    }
    for my $port ($modern, $intermediate, $old) {
        my @got = map { group_taken($port, $_) } qw(X25519 P-256 P-384 P-521 X448);
        is("@got", 'taken taken taken refused refused', 'groups');
    }

    # The first of the client's ciphers, or of the policy's.
    my @first = qw(ECDHE-RSA-AES256-GCM-SHA384 ECDHE-RSA-AES128-GCM-SHA256);
    for my $case (['intermediate', $intermediate, $first[0]], ['old', $old, $first[1]]) {
        my ($name, $port, $want) = @$case;
        my $s = tls_connect(port => $port, version => '1.2', ciphers => join ':', @first);
        is($s ? cipher($s) : "refused: $tls_error", $want, "$name: whose order counts");
    }
    for my $case (['intermediate', $intermediate, 2048], ['old', $old, 1024]) {
        my ($name, $port, $bits) = @$case;
        my $out = s_client(port => $port, args => \@DHE);
        my ($got) = $out =~ /Temp Key: DH, (\d+) bits/;
        is($got, $bits, "$name: DH parameters");
    }
    for my $port ($intermediate, $old) {
        unlike(s_client(port => $port, args => ['-tls1_2']), qr/TLS session ticket:/, 'no session tickets');
    }
    unlike($h->errorlog, qr/:(?:error|crit|alert|emerg)\]/, 'stapling without SSLStaplingCache is no error');
};

# global lines => [lines of a virtual host => versions]
my @PRECEDENCE = (
    ['',
        ["SSLPolicy modern\nSSLProtocol TLSv1.2\n",               '1.2'],
        ["SSLProtocol TLSv1.2\nSSLPolicy modern\n",               '1.2'],
        ["SSLPolicy old\nSSLPolicy modern\n",                     '1.3'],
        ["SSLPolicy Modern\n",                                    '1.3'],
        ["SSLPolicy intermediate\nSSLProtocol -all +TLSv1.3\n",   '1.3']],
    ["SSLProtocol TLSv1.2\n",
        ['',                                                      '1.2'],
        ["SSLPolicy modern\n",                                    '1.3'],
        ["SSLPolicy modern\nSSLProtocol TLSv1.2 +TLSv1.3\n",      '1.2 1.3']],
    ["SSLPolicy modern\n",
        ['',                                                      '1.3'],
        ["SSLPolicy intermediate\n",                              '1.2 1.3'],
        ["SSLProtocol TLSv1.2\n",                                 '1.2']],
    ["SSLPolicy modern\nSSLProtocol TLSv1.2\n",
        ['',                                                      '1.2'],
        ["SSLPolicy intermediate\n",                              '1.2 1.3'],
        ["SSLPolicy old\nSSLProtocol TLSv1.3\n",                  '1.3']],
    ["<SSLPolicyDefine twelve>\nSSLProtocol TLSv1.2\n</SSLPolicyDefine>\n"
        . "<SSLPolicyDefine thirteen>\nSSLProtocol TLSv1.3\nSSLPolicy twelve\n</SSLPolicyDefine>\n"
        . "<SSLPolicyDefine both>\n<IfModule ssl_module>\nSSLPolicy intermediate\n</IfModule>\n</SSLPolicyDefine>\n"
        . "<SSLPolicyDefine empty>\n</SSLPolicyDefine>\nSSLPolicy twelve\n",
        ['',                                                      '1.2'],
        ["SSLPolicy thirteen\n",                                  '1.3'],
        ["SSLPolicy both\n",                                      '1.2 1.3'],
        ["SSLPolicy empty\n",                                     '1.2'],
        ["SSLPolicy TWELVE\n",                                    '1.2']],
);

subtest 'precedence' => sub {
    for my $n (0 .. $#PRECEDENCE) {
        my ($global, @cases) = @{ $PRECEDENCE[$n] };
        my $h = server("precedence-$n", $global, map { $_->[0] } @cases) or next;
        for my $i (0 .. $#cases) {
            my $what = join ' / ', map { s/\n/; /gr } $global || '-', $cases[$i][0] || '-';
            is(versions_of($h->port("p$i")), $cases[$i][1], $what);
        }
    }
};

subtest 'by name' => sub {
    my $h = ModSSL::Httpd->new(name => 'policy-names', config => join '', map {
        "<VirtualHost 127.0.0.1:\@port:https\@>\nServerName $_->[0].test\nSSLEngine on\n$_->[1]$both</VirtualHost>\n"
    } ['a', "SSLPolicy old\n"], ['b', "SSLPolicy modern\n"], ['c', "SSLPolicy intermediate\n"]);
    $h->start or return fail($h->why);
    my $by_name = sub { join ' ', grep { tls_connect(port => $h->port, version => $_, sni => $_[0]) } @versions };
    is($by_name->('a.test'), '1 1.1 1.2 1.3', 'old');
    is($by_name->('b.test'), '1.3', 'modern at the same address');
    is($by_name->('c.test'), '1.2 1.3', 'intermediate, too');
    ok($h->graceful, 'a graceful restart');
    is($by_name->('b.test'), '1.3', 'modern after it');
    is($by_name->('c.test'), '1.2 1.3', 'intermediate after it');
};

subtest 'the main server' => sub {
    my $h = ModSSL::Httpd->new(name => 'policy-main', config => "SSLEngine on\nSSLHonorCipherOrder on\nSSLPolicy modern\n$both");
    $h->start or return fail($h->why);
    is(versions_of($h->port), '1.3', 'a policy without a virtual host');
};

subtest 'single directives over a policy' => sub {
    my $define = "<SSLPolicyDefine mine>\nSSLPolicy intermediate\nSSLCipherSuite AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256\n"
        . "SSLSessionTickets on\nSSLOpenSSLConfCmd Groups X448\nSSLProxyProtocol TLSv1.3\nSSLProxyCipherSuite HIGH\n"
        . "SSLUseStapling off\nSSLCompression off\nSSLHonorCipherOrder on\n</SSLPolicyDefine>\n";
    my $h = server('single', $define,
        "SSLPolicy intermediate\nSSLCipherSuite AES256-SHA\nSSLSessionTickets on\nSSLOpenSSLConfCmd Groups X448\n",
        "SSLPolicy old\nSSLOpenSSLConfCmd DHParameters \@pki\@/dh.pem\n",
        "SSLPolicy mine\n",
        "SSLPolicy mine\nSSLHonorCipherOrder off\nSSLOpenSSLConfCmd Groups X25519\n") or return;
    is(ciphers_of($h->port('p0'), @all), 'AES256-SHA', 'SSLCipherSuite');
    is(group_taken($h->port('p0'), 'X448') . ' ' . group_taken($h->port('p0'), 'X25519'), 'taken refused', 'Groups');
    like(s_client(port => $h->port('p0'), args => ['-tls1_2']), qr/TLS session ticket:/, 'SSLSessionTickets');
    like(s_client(port => $h->port('p1'), args => \@DHE),
         qr/Temp Key: DH, 2048 bits/, 'DHParameters');

    is(versions_of($h->port('p2')), '1.2 1.3', 'a policy of our own: versions of its base');
    is_deeply([sort split / /, ciphers_of($h->port('p2'), @all)], [qw(AES128-SHA ECDHE-RSA-AES128-GCM-SHA256)], 'its ciphers');
    is(group_taken($h->port('p2'), 'X448') . ' ' . group_taken($h->port('p2'), 'X25519'), 'taken refused', 'its groups');
    like(s_client(port => $h->port('p2'), args => ['-tls1_2']), qr/TLS session ticket:/, 'its tickets');
    is(group_taken($h->port('p3'), 'X448') . ' ' . group_taken($h->port('p3'), 'X25519'), 'refused taken', 'and what overrides it');
    my @orders = map { my $s = tls_connect(port => $h->port($_), version => '1.2', ciphers => 'ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA');
                       $s ? cipher($s) : 'refused' } qw(p2 p3);
    is("@orders", 'AES128-SHA ECDHE-RSA-AES128-GCM-SHA256', 'order of ciphers: its own, overridden');
};

my @MISTAKES = (
    ["SSLPolicy nowhere\n", qr/line \d+ .*SSLPolicy: there is no policy 'nowhere'; so far there are 'modern', 'intermediate', 'old'/s],
    ["SSLPolicy later\n<SSLPolicyDefine later>\n</SSLPolicyDefine>\n", qr/no policy 'later'.*to be defined above/s],
    ["<SSLPolicyDefine me>\nSSLPolicy me\n</SSLPolicyDefine>\n", qr/no policy 'me'/],
    ["<SSLPolicyDefine x>\n</SSLPolicyDefine>\nSSLPolicy y\n", qr/there are 'modern', 'intermediate', 'old', 'x'/],
    ["<SSLPolicyDefine old>\n</SSLPolicyDefine>\n", qr/<SSLPolicyDefine old>: there is such a policy already: it is built in/],
    ["<SSLPolicyDefine x>\n</SSLPolicyDefine>\n<SSLPolicyDefine X>\n</SSLPolicyDefine>\n", qr/already: it is defined at \S+:\d+; choose/],
    ["<SSLPolicyDefine x>\nSSLEngine on\n</SSLPolicyDefine>\n", qr/SSLEngine cannot be part of the policy 'x': it is for one virtual host/],
    ["<SSLPolicyDefine x>\nSSLFIPS on\n</SSLPolicyDefine>\n", qr/SSLFIPS cannot be part of the policy 'x': it is set once/],
    ["<SSLPolicyDefine x>\nSSLOptions +StdEnvVars\n</SSLPolicyDefine>\n", qr/SSLOptions cannot be part of .*directories/],
    ["<SSLPolicyDefine x>\nDocumentRoot /\n</SSLPolicyDefine>\n", qr/DocumentRoot cannot be part of/],
    ["<SSLPolicyDefine x>\n<Directory />\n</Directory>\n</SSLPolicyDefine>\n", qr/<Directory cannot be part of/],
    ["<SSLPolicyDefine x>\nSSLProtocol TLSv9\n</SSLPolicyDefine>\n", qr/SSLProtocol: Illegal protocol 'TLSv9'/],
    ["<SSLPolicyDefine>\n</SSLPolicyDefine>\n", qr/takes one word/],
    ["<SSLPolicyDefine x y>\n</SSLPolicyDefine>\n", qr/takes one word/],
    ["<SSLPolicyDefine x\n</SSLPolicyDefine>\n", qr/lacks its closing '>'/],
    ["<VirtualHost 127.0.0.1:\@port:https\@>\n<SSLPolicyDefine x>\n</SSLPolicyDefine>\n</VirtualHost>\n", qr/<SSLPolicyDefine> cannot occur within <VirtualHost>/],
    ["<Directory />\nSSLPolicy modern\n</Directory>\n", qr/SSLPolicy not allowed (?:here|in)/],
    ["SSLPolicy\n", qr/SSLPolicy takes one argument/],
);

subtest 'mistakes' => sub {
    my $h = ModSSL::Httpd->new(name => 'policy-bad');
    for my $case (@MISTAKES) {
        my ($text, $message) = @$case;
        $h->config($text);
        my ($status, $output) = $h->configtest;
        isnt($status, 0, 'refused: ' . $text =~ s/\n/; /gr);
        like($output, $message, 'and the message says why');
    }
    # The line of the mistake, not of the section.
    my $config = "<SSLPolicyDefine x>\nSSLProtocol all\nSSLProtocol TLSv9\n</SSLPolicyDefine>\n";
    $h->config($config);
    my $line = 0;
    open my $in, '<', $h->root . '/conf/httpd.conf' or die $!;
    while (<$in>) { $line = $. if /TLSv9/ }
    my (undef, $output) = $h->configtest;
    like($output, qr/Syntax error on line $line /, 'the line inside the section is named');
};

done_testing;
