# One case: write a word so many times. Put your own commands here.
set -eu
count=$1 word=$2

i=0
while [ "$i" -lt "$count" ]; do
    echo "$word"
    i=$((i + 1))
done > words.txt

echo "{\"letters\": $(tr -cd 'a-z' < words.txt | wc -c)}" > result.json
