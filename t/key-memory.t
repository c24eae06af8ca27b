# SPDX-License-Identifier: Apache-2.0
#
# What reading keys leaves behind in the memory of the server: no text of a key's file, encrypted or not, in parent or child.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd;
use ModSSL::Client qw(presented);
use ModSSL::Memory qw(in_memory unreadable);
use ModSSL::PKI qw(pki_file openssl slurp);

my $PHRASE = 'this phrase is found nowhere else, and it has an end of its own';
my $h = ModSSL::Httpd->new(minimal => 1);
my $root = $h->root;
my $exec = $h->cgi('dialog', "#!/bin/sh\ncat $root/conf/phrase\n");
$h->file('conf/phrase', $PHRASE);
openssl('pkey', '-in', pki_file('ecdsa.key'), '-aes256', '-passout', "pass:$PHRASE", '-out', "$root/ec.key");
$h->file('conf/both.pem', slurp(pki_file('chain.crt')) . slurp(pki_file('chain.key')));
openssl('pkey', '-in', pki_file('p384.key'), '-outform', 'DER', '-out', "$root/p384.der");
chmod 0644, "$root/ec.key", "$root/p384.der";
$h->config(<<"CONF");
SSLPassPhraseDialog exec:$exec
<VirtualHost *:\@port:https\@>
    ServerName rsa.test
    SSLEngine on
    SSLCertificateFile \@pki\@/rsa.crt
    SSLCertificateKeyFile \@pki\@/rsa.key
    SSLCertificateFile \@pki\@/ecdsa.crt
    SSLCertificateKeyFile \@root\@/ec.key
</VirtualHost>
<VirtualHost *:\@port:https\@>
    ServerName chain.test
    SSLEngine on
    SSLCertificateFile \@root\@/conf/both.pem
</VirtualHost>
CONF
$h->start or die $h->why;
is(presented($h->port, sni => 'chain.test'), 'chain.test', 'the server serves');
my @pids = $h->pids;

SKIP: {
    my $why = unreadable($pids[0]);
    skip $why, 10 if $why;
    is(scalar(grep { in_memory($_, 'chain.test') } @pids), scalar @pids, 'a server name is found in every process');
    for ('rsa.key', 'chain.key') {
        my @lines = split /\n/, slurp(pki_file($_));
        for my $at (2, int(@lines / 2), $#lines - 2) {
            is(scalar(grep { in_memory($_, substr $lines[$at], 0, 60) } @pids), 0, "line $at of $_ is not");
        }
    }
    is(scalar(grep { in_memory($_, substr $PHRASE, -40) } @pids), 0, 'nor is the pass phrase');
    ok($h->graceful, 'graceful restart');
    is(scalar(grep { in_memory($_, (split /\n/, slurp(pki_file('rsa.key')))[9]) } $h->pids), 0, 'nor after it');
}

done_testing;
