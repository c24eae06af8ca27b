# Client certificates whose keys need a pass phrase: the dialog asks for them at start, once, and not again at a restart.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need bundled);
use ModSSL::Httpd qw(ours_only);
use ModSSL::PKI qw(pki_file slurp spew openssl PASS PASS2);

ours_only('the stock module takes no encrypted keys for backends');
need('nginx');
my $dir = ($ENV{MODSSL_WORK} || '/tmp') . "/proxy-keys.$$";
mkdir $dir;
sub encrypted {
    my ($name, $phrase) = @_;
    openssl('pkey', '-in', pki_file("$name.key"), '-aes256', '-passout', "pass:$phrase", '-out', "$dir/$name.key");
    return spew("$dir/$name.pem", bundled($name), slurp("$dir/$name.key"));
}
my $rsa = encrypted('proxy', PASS);
my $ec = encrypted('client-ec', PASS2);
my $legacy = "$dir/legacy.pem";
openssl('rsa', '-in', pki_file('proxy.key'), '-aes128', '-traditional', '-passout', 'pass:' . PASS, '-out', "$dir/legacy.key");
spew($legacy, bundled('proxy'), slurp("$dir/legacy.key"));

my $ca = pki_file('ca.crt');
my $backend = ModSSL::Backend->nginx(ca => { cert => 'rsa', more => "ssl_verify_client on; ssl_client_certificate $ca;" });
my $to = 'ProxyPass / https://localhost:' . $backend->port . '/ disablereuse=on retry=0';

sub proxy {
    my (%o) = @_;
    my $answers = join ' ', map { "'$_'" } @{ $o{answers} };
    my $h = front(main => "SSLPassPhraseDialog exec:\@root\@/cgi/ask\n", hosts => $o{hosts});
    # one phrase after the other, then the last again
    my $asked = $h->root . '/run/asked';
    $h->cgi('ask', <<"SH");
#!/bin/sh
echo "\$*" >>$asked
n=\$(wc -l <$asked)
i=0
for p in $answers; do
    i=\$((i+1))
    if [ \$i -eq \$n ]; then echo "\$p"; exit; fi
done
echo "\$p"
SH
    return ($h, $asked);
}

for my $case (['PKCS#8', $rsa, 'proxy.test', PASS], ['traditional', $legacy, 'proxy.test', PASS], ['EC', $ec, 'EC Client', PASS2]) {
    my ($name, $file, $cn, $phrase) = @$case;
    my ($h, $asked) = proxy(answers => [$phrase], hosts => { x => "SSLProxyMachineCertificateFile $file\n$to" });
    $h->start or do { fail("$name: " . $h->why); next };
    my $r = via($h, 'x');
    is("$r->{status} $r->{seen}{client}", "200 CN=$cn", "$name: the backend sees the certificate");
    my $count = () = slurp($asked) =~ /\n/g;
    is($count, 1, '... asked once');
    ok($h->graceful, '... graceful restart');
    is(via($h, 'x')->{status}, 200, '... and the key is still there');
    $count = () = slurp($asked) =~ /\n/g;
    is($count, 1, '... without asking again');
    unlike($h->errorlog, qr/\Q$phrase\E/, '... the pass phrase is not in the log');
    ok($h->stop, '... stops');
}

# The wrong phrase: no start, and the message names the file.
{
    my ($h) = proxy(answers => ['wrong'], hosts => { x => "SSLProxyMachineCertificateFile $rsa\n$to" });
    my $why = $h->start_fails;
    ok(defined $why, 'wrong pass phrase: no start');
    like($why || '', qr/\Q$rsa\E/, '... the file is named');
}
done_testing;
